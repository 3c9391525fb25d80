"""The corpora of the results: subsets of training speakers, and lists of unseen speakers."""

import csv
import random
import shutil
from pathlib import Path

from benchmarks.limited_data.experiments import ALL
from local.corpora.trial_lists import make_trials, write_trials
from local.files import atomic_file, atomic_folder
from local.shards import write_shards

NUM_TRIALS = 10_000


def corpora(output_folder, speakers=ALL):
    """Where corpora and shards lie, for training on some speakers ("train") and for each list."""
    folders = {
        "train": f"{speakers}_speakers",
        "dev": f"{ALL}_speakers",
        "channels": "channels",
        "unseen": "unseen",
    }
    return {name: output_folder / "data" / folder for name, folder in folders.items()}


def write_subset(data, folder, count, seed=0):
    """Shards and val trials of some of the training speakers, with all of dev.

    Half of the speakers are women, where the metadata tells; the speakers of a smaller subset are
    in each larger one.

    Arguments
    ---------
    data : Path
        A corpus in the tiny-voxceleb layout.
    folder : Path
        Gets the corpus and, in shards/, its shards; what is there is kept.
    count : int
        Speakers.
    seed : int
    """
    corpus = folder / "corpus"
    if not corpus.is_dir():
        with open(data / "tiny_meta.csv", encoding="utf-8", newline="") as fin:
            rows = list(csv.DictReader(fin))
        speakers = _chosen([row for row in rows if row["idx"]], count, seed)
        with atomic_folder(corpus) as target:
            for split in ("train", "val"):
                (target / split).mkdir()
                for speaker in speakers:
                    shutil.copytree(data / split / speaker, target / split / speaker)
            (target / "dev").symlink_to((data / "dev").resolve())
            _write_meta(target / "tiny_meta.csv", rows, speakers)
            _write_val_trials(data / "val_trials.txt", target / "val_trials.txt", set(speakers))
            (target / "dev_trials.txt").symlink_to((data / "dev_trials.txt").resolve())
    write_shards(corpus, corpus / "tiny_meta.csv", folder / "shards")


def _chosen(rows, count, seed):
    by_sex = {}
    for row in sorted(rows, key=lambda row: row["id"]):
        by_sex.setdefault(row.get("gender"), []).append(row["id"])
    for speakers in by_sex.values():
        random.Random(seed).shuffle(speakers)
    order = []
    while len(order) < len(rows):  # in turns
        order += [speakers.pop() for _, speakers in sorted(by_sex.items()) if speakers]
    return sorted(order[:count])


def _write_meta(path, rows, speakers):
    classes = {speaker: number for number, speaker in enumerate(speakers)}
    with open(path, "w", encoding="utf-8", newline="") as fout:
        writer = csv.DictWriter(fout, rows[0].keys())
        writer.writeheader()
        for row in rows:
            if row["id"] in classes or not row["idx"]:
                writer.writerow({**row, "idx": classes.get(row["id"], "")})


def _write_val_trials(source, target, speakers):
    with atomic_file(target) as fout:
        for line in source.read_text(encoding="utf-8").splitlines():
            if all(identifier.split("/")[0] in speakers for identifier in line.split()[1:]):
                fout.write(f"{line}\n")


def write_unseen(data, folder, seed=0):
    """Shards and trials of speakers of whom nothing is trained on: all of a corpus is its dev part.

    Arguments
    ---------
    data : Path
        One folder of FLAC files a speaker.
    folder : Path
        Gets corpus/ with dev_trials.txt, and shards/dev; what is there is kept.
    seed : int
        Of the trials, half of which are of one speaker.
    """
    corpus = folder / "corpus"
    if not corpus.is_dir():
        speakers = sorted(path for path in data.iterdir() if path.is_dir())
        with atomic_folder(corpus) as target:
            utterances = {}
            for speaker in speakers:
                place = Path(speaker.name, "all")
                shutil.copytree(speaker, target / "dev" / place)
                names = sorted(path.stem for path in speaker.glob("*.flac"))
                utterances[speaker.name] = [str(place / name) for name in names]
            trials = make_trials(utterances, num_trials=NUM_TRIALS, seed=seed)
            write_trials(target / "dev_trials.txt", trials)
            lines = ["id,gender,set,idx", *(f"{speaker},,dev," for speaker in utterances)]
            (target / "tiny_meta.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_shards(corpus, corpus / "tiny_meta.csv", folder / "shards")

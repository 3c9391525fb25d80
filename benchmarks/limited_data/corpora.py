"""The corpora of the results: subsets of training speakers, and lists of unseen speakers."""

import itertools
import random
import shutil
from pathlib import Path

from benchmarks.limited_data.experiments import ALL
from benchmarks.limited_data.lists import CORPORA
from local.corpora.trial_lists import make_trials, write_trials
from local.files import atomic_folder
from local.layout import META_FILE
from local.metadata import read_table, write_meta
from local.scoring.trials import read_trials
from local.shards import write_shards

NUM_TRIALS, SEED = 10_000, 0
TOLD = ("gender", "nationality")  # of speakers, in the metadata


def corpora(output_folder, speakers=ALL):
    """Where corpora and shards lie, for training on some speakers ("train") and of the suite."""
    folders = {
        "train": f"{speakers}_speakers",
        "dev": f"{ALL}_speakers",
        **{name: name for name in CORPORA if name != "dev"},
    }
    return {name: output_folder / "data" / folder for name, folder in folders.items()}


def write_subset(data, folder, count):
    """Write shards and val trials of some of the training speakers of a corpus, with all of dev.

    Half of the speakers are women, where the metadata tells; the speakers of a smaller subset are
    in each larger one. The folder gets the corpus and, in shards/, its shards; what is there is
    kept.
    """
    corpus = folder / "corpus"
    if not corpus.is_dir():
        rows = [row for _, row in read_table(data / META_FILE, required=("id", "idx")).rows]
        speakers = _chosen([row for row in rows if row.get("idx")], count)
        with atomic_folder(corpus) as target:
            for split in ("train", "val"):
                (target / split).mkdir()
                for speaker in speakers:
                    shutil.copytree(data / split / speaker, target / split / speaker)
            (target / "dev").symlink_to((data / "dev").resolve())
            told = {key: {row["id"]: row.get(key, "") for row in rows} for key in TOLD}
            dev = [row["id"] for row in rows if not row.get("idx")]
            write_meta(target, train_speakers=speakers, dev_speakers=dev, **told)
            _write_val_trials(data / "val_trials.txt", target / "val_trials.txt", set(speakers))
            (target / "dev_trials.txt").symlink_to((data / "dev_trials.txt").resolve())
    write_shards(corpus, corpus / META_FILE, folder / "shards")


def _chosen(rows, count):
    by_sex = {}
    for row in sorted(rows, key=lambda row: row["id"]):
        by_sex.setdefault(row.get("gender"), []).append(row["id"])
    for speakers in by_sex.values():
        random.Random(SEED).shuffle(speakers)
    order = []
    while len(order) < len(rows):  # in turns
        order += [speakers.pop() for _, speakers in sorted(by_sex.items()) if speakers]
    return sorted(order[:count])


def _write_val_trials(source, target, speakers):
    trials = read_trials(source)
    kept = (speakers.issuperset(pair) for pair in zip(*trials.speakers(), strict=True))
    columns = zip(trials.labels, *trials.pairs(), strict=True)
    write_trials(target, itertools.compress(columns, kept))


def write_dev_only(data, folder):
    """Write shards of a corpus in the tiny-voxceleb layout that nothing is trained on."""
    corpus = folder / "corpus"
    if not corpus.exists():
        folder.mkdir(parents=True, exist_ok=True)
        corpus.symlink_to(data)
    write_shards(corpus, corpus / META_FILE, folder / "shards")


def write_unseen(data, folder):
    """Write shards and trials of speakers on whom nothing is trained.

    The data have a folder of FLAC files a speaker; all are the dev part of a corpus. The folder
    gets corpus/ with dev_trials.txt, and shards/dev; what is there is kept.
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
            trials = make_trials(utterances, num_trials=NUM_TRIALS, seed=SEED)
            write_trials(target / "dev_trials.txt", trials)
            write_meta(target, train_speakers=(), dev_speakers=utterances)
    write_shards(corpus, corpus / META_FILE, folder / "shards")

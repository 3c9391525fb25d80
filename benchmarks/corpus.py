"""Audio to measure with: voices of coloured noise in the tiny-voxceleb layout, made on the spot."""

import contextlib
import csv
import io
import json
import shutil
import sys
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile as sf
from scipy.signal import lfilter

from local.corpora.trial_lists import make_trials, write_trials
from local.layout import SAMPLE_RATE
from local.metadata import write_meta
from local.shards import write_shards

SHORT_SHARD = 5000  # utterances of 0.1 s in a shard


@dataclass(frozen=True)
class Corpus:
    """Where the same utterances lie in each form that a peer reads.

    The audio tree has trial lists beside it; the CSV is SpeechBrain's list of the training
    utterances; the shards have a folder a split, and those of the training split are named one by
    one, and as one source of shards: a folder, or a URL in braces.
    """

    folder: Path
    csv: Path
    shards: Path
    train_urls: list
    source: str

    def options(self):
        """What train_speaker_embeddings.py is given to train on it."""
        return [
            *("--shard_folder", str(self.shards)),
            *("--val_trials_path", str(self.folder / "val_trials.txt")),
            *("--dev_trials_path", str(self.folder / "dev_trials.txt")),
        ]

    def served(self, base):
        """The same corpus as a server gives it whose root is the folder above the shards."""
        urls = [f"{base}/shards/train/{Path(url).name}" for url in self.train_urls]
        served = self.csv.with_name("served.csv")
        served.write_text(self.csv.read_text().replace(str(self.folder), f"{base}/corpus"))
        last = len(urls) - 1
        source = f"{base}/shards/train/shard-{{000000..{last:06d}}}.tar" if last else urls[0]
        return replace(self, csv=served, train_urls=urls, source=source)


def make_corpus(folder, *, train, val, seconds=8, speakers=100, shards=4, seed=0):
    """Write audio tree, shards, trial lists and CSV of a Corpus into a folder.

    The utterances in train and val are shared by all speakers alike; half as many speakers again
    are in dev, with two utterances each. The training split is cut into that many shards.
    """
    tree, rng = folder / "corpus", np.random.default_rng(seed)
    names = [f"id{number:05d}" for number in range(speakers + max(speakers // 2, 4))]
    utterances = {"train": {}, "val": {}, "dev": {}}
    for split, count, who in (
        ("train", train, names[:speakers]),
        ("val", val, names[:speakers]),
        ("dev", 2 * len(names[speakers:]), names[speakers:]),
    ):
        for number in range(count):
            speaker = who[number % len(who)]
            utterance = f"{speaker}/{split}/{number // len(who):05d}"
            utterances[split].setdefault(speaker, []).append(utterance)
    voices = {name: _voice(rng) for name in names}
    for split, by_speaker in utterances.items():
        for speaker, own in by_speaker.items():
            for utterance in own:
                path = tree / split / f"{utterance}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(_wav(lfilter(*voices[speaker], _noise(rng, seconds))))
    write_meta(tree, train_speakers=names[:speakers], dev_speakers=names[speakers:])
    for split in ("val", "dev"):
        trials = make_trials(utterances[split], num_trials=10_000, seed=seed)
        write_trials(tree / f"{split}_trials.txt", trials)
    with contextlib.redirect_stdout(sys.stderr):
        write_shards(tree, tree / "tiny_meta.csv", folder / "shards", size=-(-train // shards))
    whole = -(-train // shards) * shards == train
    paths = sorted((folder / "shards/train").glob("shard-*.tar"))
    if not whole:  # a name in braces has no room for "partial"
        paths[-1] = paths[-1].rename(paths[-1].with_name(f"shard-{len(paths) - 1:06d}.tar"))
    _write_csv(tree, utterances["train"], seconds, folder / "train.csv")
    urls = [str(path) for path in paths]
    return Corpus(tree, folder / "train.csv", folder / "shards", urls, str(paths[0].parent))


def _voice(rng):
    """Two resonances in noise, the coefficients of a filter."""
    radius, angle = rng.uniform(0.8, 0.97, 2), rng.uniform(0.05, 0.9, 2) * np.pi
    poles = radius * np.exp(1j * angle)
    return [0.05], np.poly([*poles, *poles.conj()]).real


def _noise(rng, seconds):
    return rng.standard_normal(round(seconds * SAMPLE_RATE), dtype=np.float32)


def _wav(signal):
    buffer = io.BytesIO()
    signal = signal / (1.1 * np.abs(signal).max())
    sf.write(buffer, signal, SAMPLE_RATE, subtype="PCM_16", format="WAV")
    return buffer.getvalue()


def _write_csv(tree, by_speaker, seconds, path):
    """The columns that SpeechBrain's voxceleb_prepare.py writes."""
    stop = round(seconds * SAMPLE_RATE)
    with open(path, "w", encoding="utf-8", newline="") as fout:
        writer = csv.writer(fout, lineterminator="\n")
        writer.writerow(["ID", "duration", "wav", "start", "stop", "spk_id"])
        for speaker, own in by_speaker.items():
            for utterance in own:
                wav = tree / "train" / f"{utterance}.wav"
                writer.writerow([utterance.replace("/", "--"), seconds, wav, 0, stop, speaker])


def make_short(folder, count):
    """Write shards of many utterances of 0.1 s, five a speaker, into a folder.

    With tarfile alone: the fastest way to many. Returns the folder.
    """
    audio = [_wav(_noise(np.random.default_rng([0, n]), 0.1)) for n in range(50)]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for first in range(0, count, SHORT_SHARD):
        shard = folder / f"shard-{first // SHORT_SHARD:06d}.tar"
        with tarfile.open(shard, "w", format=tarfile.GNU_FORMAT) as archive:
            for number in range(first, min(first + SHORT_SHARD, count)):
                parts = (f"id{number // 5:05d}", f"s{number % 5}", f"{number:06d}")
                sample_id = "/".join(parts)
                values = {
                    "sample_id": sample_id,
                    **dict(zip(("speaker_id", "youtube_id", "utterance_id"), parts, strict=True)),
                    "num_frames": SAMPLE_RATE // 10,
                    "sampling_rate": SAMPLE_RATE,
                    "class_idx": number // 5,
                }
                key = f"{number - first:04d}/{sample_id}"
                _add(archive, f"{key}.wav", audio[number % len(audio)])
                _add(archive, f"{key}.json", json.dumps(values).encode())
    return folder


def _add(archive, name, content):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))

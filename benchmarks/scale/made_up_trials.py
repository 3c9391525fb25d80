"""Embeddings, trials and a table of speakers of the size and spread of VoxCeleb1-E, made up."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from local.embeddings import Embeddings, write_embeddings
from local.metadata import write_meta

DIM = 192
TOP_N = 300  # of the cohort
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"  # of YouTube's ids
SESSION = 7  # utterances of a speaker that share a session
SPREADS = (1.0, 0.7, 1.3)  # of speakers, sessions and utterances: an EER of some 1 %
NATIONS = (("USA", 799), ("UK", 215), ("Canada", 54), ("Australia", 37), ("India", 26))
OTHER_NATIONS = 31  # that the other speakers have


class Size(NamedTuple):
    """How much of everything: by default as in VoxCeleb1-E, and VoxCeleb2's speakers as cohort."""

    trials: int = 580_000
    utterances: int = 145_000
    speakers: int = 1_251
    cohort: int = 5_994
    resamples: int = 200


def make_cohort(size: Size) -> np.ndarray:
    """A vector a cohort speaker."""
    return np.random.default_rng(1).standard_normal((size.cohort, DIM), dtype=np.float32)


def write_evaluation(folder: Path, size: Size) -> None:
    """Write embeddings.npz, trials.txt and tiny_meta.csv below a folder."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    # Two utterances a speaker at least, the others as chance has it.
    others = rng.integers(size.speakers, size=size.utterances - 2 * size.speakers)
    speaker = np.sort(np.append(np.repeat(np.arange(size.speakers), 2), others))
    counts = np.bincount(speaker)
    place = np.arange(len(speaker)) - (np.cumsum(counts) - counts)[speaker]
    _, session = np.unique(np.stack([speaker, place // SESSION]), axis=1, return_inverse=True)
    embeddings = _embeddings(rng, speaker, session.ravel(), place % SESSION)
    write_embeddings(folder / "embeddings.npz", embeddings)
    _write_trials(folder / "trials.txt", rng, embeddings.ids, speaker, counts, size.trials)
    names = sorted({name.split("/")[0] for name in embeddings.ids})
    nations = [nation for nation, count in NATIONS for _ in range(count)]
    nations += [f"country {number % OTHER_NATIONS}" for number in range(len(names))]
    write_meta(
        folder,
        train_speakers=[],
        dev_speakers=names,
        gender={name: "mf"[number % 9 < 4] for number, name in enumerate(names)},
        nationality=dict(zip(names, rng.permutation(nations[: len(names)]).tolist(), strict=True)),
    )


def _embeddings(rng, speaker, session, utterance):
    """Embeddings with ids like VoxCeleb's, of speakers, sessions and utterances by number."""
    codes = rng.integers(len(LETTERS), size=(session.max() + 1, 11)).tolist()
    names = ["".join(LETTERS[code] for code in row) for row in codes]
    columns = zip(speaker.tolist(), session.tolist(), utterance.tolist(), strict=True)
    ids = [f"id{10001 + s}/{names[k]}/{u + 1:05d}" for s, k, u in columns]
    vectors = np.zeros((len(ids), DIM), dtype=np.float32)
    for spread, rows in zip(SPREADS, (speaker, session, np.arange(len(ids))), strict=True):
        vectors += spread * rng.standard_normal((rows.max() + 1, DIM), dtype=np.float32)[rows]
    seconds = 4 + rng.gamma(4, 1, size=len(ids))
    return Embeddings(ids, vectors, (16000 * seconds).astype(np.int64), {})


def _write_trials(path, rng, ids, speaker, counts, number):
    """As many targets as non-targets, each utterance first in about as many trials."""
    trial = np.arange(number)
    first = trial // 4 % len(ids)
    starts, own = np.cumsum(counts) - counts, speaker[first]
    step = 1 + rng.integers(counts[own] - 1)  # to another utterance of the speaker
    mate = starts[own] + (first - starts[own] + step) % counts[own]
    other = (first + 1 + rng.integers(len(ids) - 1, size=number)) % len(ids)
    second = np.where(trial % 2 == 0, mate, other)
    labels = (own == speaker[second]).astype(int)
    rows = zip(labels.tolist(), first.tolist(), second.tolist(), strict=True)
    with open(path, "w", encoding="utf-8") as fout:
        fout.writelines(f"{label} {ids[a]}.wav {ids[b]}.wav\n" for label, a, b in rows)

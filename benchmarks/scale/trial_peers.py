"""How others score and measure trials: SpeechBrain's loops, a trial at a time, and scikit-learn.

Each sends through a pipe how many seconds of the processors it takes or, where that would be hours,
what a part of it tells of the whole; the first of its values; and the peak of its memory, in bytes.
"""

import time

import numpy as np
import torch
from sklearn.metrics import roc_curve

from benchmarks.scale.made_up_trials import TOP_N, make_cohort
from benchmarks.usage import peak_memory

CHECKED = 200  # values that are compared, and trials that the peer normalises
PART_OF_RESAMPLES = 3


def read_and_score(folder, size, pipe):
    """The loop of SpeechBrain's speaker_verification_cosine.py: a line, two look-ups, a cosine."""
    embeddings, similarity = _tensors(folder), torch.nn.CosineSimilarity(dim=-1, eps=1e-6)
    scores, start = [], time.process_time()
    with open(folder / "trials.txt", encoding="utf-8") as fin:
        for line in fin:
            _, enrol, test = line.rstrip().split(" ")
            enrol, test = embeddings[enrol.split(".")[0]], embeddings[test.split(".")[0]]
            scores.append(similarity(enrol, test).item())
    pipe.send((time.process_time() - start, scores[:CHECKED], peak_memory()))


def normalise(folder, size, pipe):
    """The same loop with as-norm: each side beside all of the cohort, of the first trials."""
    embeddings, similarity = _tensors(folder), torch.nn.CosineSimilarity(dim=-1, eps=1e-6)
    cohort, scores = torch.from_numpy(make_cohort(size)), []
    with open(folder / "trials.txt", encoding="utf-8") as fin:
        lines = [next(fin) for _ in range(min(CHECKED, size.trials))]
    start = time.process_time()
    for line in lines:
        sides = [embeddings[name.split(".")[0]] for name in line.split()[1:]]
        score, normalised = similarity(*sides), 0.0
        for side in sides:
            of_cohort = similarity(side.repeat(len(cohort), 1), cohort)
            nearest = torch.topk(of_cohort, k=min(TOP_N, len(cohort)), dim=0)[0]
            normalised += 0.5 * (score - nearest.mean()) / nearest.std()
        scores.append(normalised.item())
    seconds = (time.process_time() - start) * size.trials / len(lines)
    pipe.send((seconds, scores, peak_memory()))


def measure_eers(folder, size, pipe):
    """The EER by scikit-learn's roc_curve: of all trials and of resamples, which are weights."""
    columns = np.load(folder / "scores.npy"), np.load(folder / "labels.npy")
    rng, start = np.random.default_rng(0), time.process_time()
    value = _eer(*columns, None)
    for _ in range(PART_OF_RESAMPLES):
        _eer(*columns, rng.integers(0, 4, len(columns[0])).astype(float))
    seconds = (time.process_time() - start) * (1 + size.resamples) / (1 + PART_OF_RESAMPLES)
    pipe.send((seconds, [value], peak_memory()))


def _eer(scores, labels, weights):
    false_alarm, hits, _ = roc_curve(labels, scores, sample_weight=weights)
    gap = false_alarm - (1 - hits)
    return float(np.interp(0, gap, false_alarm))


def _tensors(folder):
    """A tensor an utterance, by its id."""
    with np.load(folder / "embeddings.npz") as arrays:
        vectors = torch.from_numpy(arrays["vectors"])
        return dict(zip(arrays["ids"].tolist(), vectors, strict=True))

"""Short clips of one voice, joined to utterances."""

import hashlib

import numpy as np

from local.corpora.convert import resampled_blocks
from local.errors import RecipeError
from local.layout import SAMPLE_RATE

MIN_SECONDS, MAX_SECONDS = 2.0, 4.0  # of an utterance
PEAK = 0.7  # of each clip, relative to full scale
SILENCE = 1e-3  # a peak below this is no speech


def join_clips(clips):
    """Join clips in their order to utterances of 2-4 s; what is left at the end is dropped.

    Arguments
    ---------
    clips : iterable of numpy.ndarray
        Mono signals at 16 kHz, each of shape (time,).

    Yields
    ------
    numpy.ndarray
        Shape (time,). Whatever reaches beyond 4 s is cut off.

    Example
    -------
    >>> clips = [np.zeros(round(seconds * SAMPLE_RATE)) for seconds in (1.5, 1, 5, 1)]
    >>> [len(utterance) / SAMPLE_RATE for utterance in join_clips(clips)]
    [2.5, 4.0]
    """
    parts = []
    for clip in clips:
        parts.append(clip)
        if sum(map(len, parts)) >= MIN_SECONDS * SAMPLE_RATE:
            yield np.concatenate(parts)[: round(MAX_SECONDS * SAMPLE_RATE)]
            parts = []


def read_clips(paths, skipped):
    """Read clips as mono 16 kHz, trimmed and levelled, each recording once.

    Arguments
    ---------
    paths : iterable of Path
    skipped : collections.Counter
        Counts the clips that are left out, by the reason.

    Yields
    ------
    numpy.ndarray
        Shape (time,).
    """
    seen = set()
    for path in paths:
        try:
            signal = np.concatenate(list(resampled_blocks(path)))
        except RecipeError:
            skipped["unreadable"] += 1
            continue
        # One recording often serves several stamps; in train and val it would be a leak.
        digest = hashlib.sha256(signal.tobytes()).digest()
        # Some have a constant offset of a fifth of full scale: it would click at the joins.
        signal = signal - signal.mean() if len(signal) else signal
        if np.abs(signal).max(initial=0) < SILENCE:
            skipped["silent"] += 1
        elif digest in seen:
            skipped["copied"] += 1
        else:
            seen.add(digest)
            yield _trim(signal)


def _trim(signal, threshold_db=-30.0, margin=0.1, frame=0.02):
    """Bring a clip to a common peak and cut its silent ends, but for `margin` seconds.

    Some clips decode to peaks far beyond full scale, and each voice has a level of its own, which
    tells the recordings apart without listening to the voice.
    """
    margin, frame = round(margin * SAMPLE_RATE), round(frame * SAMPLE_RATE)
    starts = np.arange(0, len(signal), frame)
    energy = np.add.reduceat(signal**2, starts)
    loud = starts[energy > energy.max() * 10 ** (threshold_db / 10)]
    signal = signal * (PEAK / np.abs(signal).max())
    return signal[max(0, loud[0] - margin) : loud[-1] + frame + margin]

"""Speakers as the mean of what was heard of each, weighted by seconds of speech."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from local.scoring.backends import unit_length


@dataclass(frozen=True, eq=False)
class Voices:
    """Some speakers, one row each.

    Attributes
    ----------
    names : list of str
    vectors : numpy.ndarray
        (speakers, dim), float32. The direction is the mean of those of the speaker's embeddings,
        the length the mean of their lengths, both weighted by seconds of speech.
    speech : numpy.ndarray
        Seconds of speech that was heard of each, shape (speakers,).
    num_frames : numpy.ndarray
        Length of all that was heard of each, in audio samples at 16 kHz, shape (speakers,).
    recordings : numpy.ndarray
        How many there were of each, shape (speakers,).
    """

    names: list[str]
    vectors: np.ndarray
    speech: np.ndarray
    num_frames: np.ndarray
    recordings: np.ndarray

    def __len__(self):
        return len(self.names)

    def rows(self, rows) -> "Voices":
        """Some of the speakers."""
        parts = {name: getattr(self, name)[rows] for name in ARRAYS}
        return replace(self, names=[self.names[row] for row in rows], **parts)


ARRAYS = tuple(field.name for field in fields(Voices))[1:]


def as_voices(name: str, vectors, num_frames, speech) -> Voices:
    """One row for each recording of a speaker, from what an encoder tells of them."""
    ones = np.ones(len(vectors), np.int64)
    return Voices([name] * len(vectors), vectors, speech, num_frames.astype(np.int64), ones)


def merge(name: str, parts: Sequence[Voices]) -> Voices:
    """All rows of all parts as one speaker of this name.

    Example
    -------
    >>> one, two = np.float32([[2, 0]]), np.float32([[0, 2]])
    >>> heard = [as_voices("a", v, np.array([16000]), np.ones(1)) for v in (one, two)]
    >>> merge("ann", heard).vectors.round(2)
    array([[1.41, 1.41]], dtype=float32)
    """
    rows = {key: np.concatenate([getattr(part, key) for part in parts]) for key in ARRAYS}
    weights = rows["speech"] / rows["speech"].sum()
    direction = unit_length((weights @ unit_length(rows["vectors"]))[None])
    length = weights @ np.linalg.norm(rows["vectors"], axis=1)
    sums = {key: rows[key].sum(keepdims=True) for key in ARRAYS[1:]}
    return Voices([name], (length * direction).astype(np.float32), **sums)

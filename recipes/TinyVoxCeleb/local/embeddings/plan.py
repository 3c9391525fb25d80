"""Which audio goes into which batch: settled from the lengths alone, before any audio is read.

The plan does not depend on the number of processes, so neither do the embeddings.
"""

from dataclasses import dataclass

import numpy as np

from local.bundle.windows import MAX_FRAMES, MIN_FRAMES, windows
from local.layout import SAMPLE_RATE

SORTED_FRAMES = 8 * 3600 * SAMPLE_RATE  # 8 h: about 1 GB of shards, within which batches gather


@dataclass(frozen=True)
class Piece:
    """An utterance, or a window of a long one.

    Arguments
    ---------
    row : int
        Number of the utterance.
    start, num_frames : int
        What to decode, in audio samples.
    """

    row: int
    start: int
    num_frames: int

    @property
    def length(self):
        """What the network gets: short utterances are repeated."""
        return max(self.num_frames, MIN_FRAMES)


def cut(num_frames, max_frames=MAX_FRAMES):
    """Cut utterances into pieces that a network takes at once.

    An utterance of up to `max_frames` stays whole; a longer one gives `windows`, and its embedding
    is the mean of theirs.

    Arguments
    ---------
    num_frames : list of int
        Lengths of the utterances, in audio samples.
    max_frames : int

    Returns
    -------
    list of Piece
        In the order of the utterances and of time.

    Example
    -------
    >>> [(piece.row, piece.start, piece.num_frames) for piece in cut([30, 101], max_frames=50)]
    [(0, 0, 30), (1, 0, 34), (1, 33, 34), (1, 67, 34)]
    """
    pieces = []
    for row, length in enumerate(num_frames):
        starts, size = windows(length, max_frames)
        pieces += [Piece(row, start, size) for start in starts]
    return pieces


def plan_batches(lengths, batch_size, *, mixed, max_frames=MAX_FRAMES, sorted_frames=SORTED_FRAMES):
    """Put pieces of near or equal lengths into batches.

    They are sorted within stretches of the shards, so that what is read together lies together.

    Arguments
    ---------
    lengths : list of int
        Of the pieces, in audio samples.
    batch_size : int
        Pieces a batch at the most.
    mixed : bool
        Whether a batch may hold different lengths.
    max_frames : int
        Audio samples of a batch at the most, with its padding; a single piece may have more.
    sorted_frames : int
        Length of these stretches.

    Returns
    -------
    list of list of int
        Numbers of the pieces of each batch; every piece once, the longest of a batch first.

    Example
    -------
    >>> plan_batches([3, 9, 3, 8, 2], 2, mixed=True), plan_batches([3, 9, 3, 8, 2], 2, mixed=False)
    ([[1, 3], [0, 2], [4]], [[1], [3], [0, 2], [4]])
    """
    lengths = np.asarray(lengths)
    stretches = np.cumsum(lengths) // sorted_frames
    batches = []
    for number in np.lexsort((-lengths, stretches)).tolist():  # stable
        batch = batches[-1] if batches else []
        if (
            not batch
            or len(batch) == batch_size
            or (len(batch) + 1) * lengths[batch[0]] > max_frames
            or (not mixed and lengths[number] != lengths[batch[0]])
            or stretches[number] != stretches[batch[0]]
        ):
            batches.append([number])
        else:
            batch.append(number)
    return batches


def average(vectors, pieces):
    """From the embeddings of pieces to those of utterances: the mean over their windows.

    The windows of an utterance are equally long and so weigh the same.

    Arguments
    ---------
    vectors : numpy.ndarray
        Shape (pieces, dim), float32.
    pieces : list of Piece
        As `cut` gives them.

    Returns
    -------
    numpy.ndarray
        Shape (utterances, dim), float32.

    Example
    -------
    >>> average(np.array([[1.0], [2.0], [4.0]], np.float32), cut([10, 100], max_frames=50))
    array([[1.],
           [3.]], dtype=float32)
    """
    _, starts, counts = np.unique([p.row for p in pieces], return_index=True, return_counts=True)
    sums = np.add.reduceat(vectors, starts, axis=0, dtype=np.float64)
    return (sums / counts[:, None]).astype(np.float32)

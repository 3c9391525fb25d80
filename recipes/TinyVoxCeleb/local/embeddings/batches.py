"""Which audio goes into which batch: settled from the lengths alone, before any audio is read.

The plan does not depend on the number of processes, so neither do the embeddings.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from local.bundle.windows import MAX_FRAMES, MIN_FRAMES, windows
from local.dataset import BatchLoader
from local.layout import SAMPLE_RATE
from local.shards import MappedShards, ShardIndex
from local.shards.audio import decode, repeat_to

SORTED_FRAMES = 8 * 3600 * SAMPLE_RATE  # 8 h: about 1 GB of shards, within which batches gather


@dataclass(frozen=True)
class Piece:
    """An utterance, or a window of a long one.

    Arguments
    ---------
    row
        Number of the utterance.
    start, num_frames
        What to decode, in audio samples.
    """

    row: int
    start: int
    num_frames: int

    @property
    def length(self) -> int:
        """What the network gets: short utterances are repeated."""
        return max(self.num_frames, MIN_FRAMES)


def cut(num_frames: list[int], max_frames: int = MAX_FRAMES) -> list[Piece]:
    """Cut utterances, given by their lengths in audio samples, into pieces for the network.

    An utterance of up to `max_frames` stays whole; a longer one gives `windows`, and its embedding
    is the mean of theirs. The pieces are in the order of the utterances and of time.

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


def plan_batches(
    lengths: list[int],
    batch_size: int,
    *,
    mixed: bool,
    max_frames: int = MAX_FRAMES,
    sorted_frames: int = SORTED_FRAMES,
) -> list[list[int]]:
    """Put pieces of near or equal lengths into batches.

    They are sorted within stretches of the shards, so that what is read together lies together.
    Each batch is a list of numbers of pieces, the longest piece first; every piece comes once.

    Arguments
    ---------
    lengths
        Of the pieces, in audio samples.
    batch_size
        Pieces a batch at the most.
    mixed
        Whether a batch may hold different lengths.
    max_frames
        Audio samples of a batch at the most, with its padding; a single piece may have more.
    sorted_frames
        Length of these stretches.

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


def read_batches(
    index: ShardIndex, pieces: list[Piece], batches: list[list[int]], num_workers: int
) -> Iterator[tuple[list[int], list[np.ndarray]]]:
    """Decode batches in their order, holding a few of them at a time; see `decode` for its errors.

    Yields each batch with its signals: float32 in [-1, 1], each of shape (time,). Of `num_workers`
    0, the calling thread decodes.
    """
    data = _PlannedBatches(index, pieces, batches)
    loader = BatchLoader(data, range(len(batches)), num_workers=num_workers)
    yield from zip(batches, loader, strict=True)


class _PlannedBatches(torch.utils.data.Dataset):
    """The signals of each batch of a plan."""

    def __init__(self, index, pieces, batches):
        self.index = index
        self.shards = MappedShards(index)
        self.pieces = pieces
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, number):
        return [self._decode(self.pieces[piece]) for piece in self.batches[number]]

    def _decode(self, piece):
        encoded = self.shards.audio(piece.row)
        sample = self.index[piece.row]
        signal = decode(encoded, sample, start=piece.start, num_frames=piece.num_frames)
        return repeat_to(signal, MIN_FRAMES)


def average(vectors: np.ndarray, pieces: list[Piece]) -> np.ndarray:
    """From the embeddings of pieces to those of utterances: the mean over their windows.

    The windows of an utterance are equally long and so weigh the same. Both arrays are float32, of
    shape (pieces, dim) and (utterances, dim).

    Example
    -------
    >>> average(np.array([[1.0], [2.0], [4.0]], np.float32), cut([10, 100], max_frames=50))
    array([[1.],
           [3.]], dtype=float32)
    """
    _, starts, counts = np.unique([p.row for p in pieces], return_index=True, return_counts=True)
    sums = np.add.reduceat(vectors, starts, axis=0, dtype=np.float64)
    return (sums / counts[:, None]).astype(np.float32)

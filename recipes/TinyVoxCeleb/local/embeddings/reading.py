"""The audio of planned batches, each process reading only its own."""

import torch

from local.bundle.windows import MIN_FRAMES
from local.dataset import BatchLoader
from local.shards import MappedShards
from local.shards.audio import decode, repeat_to


def read_batches(index, pieces, batches, num_workers):
    """Decode batches in their order, holding a few of them at a time.

    Arguments
    ---------
    index : ShardIndex
    pieces : list of Piece
    batches : list of list of int
        Numbers of the pieces of each batch.
    num_workers : int
        Processes that decode; 0 decodes in this one.

    Yields
    ------
    (list of int, list of numpy.ndarray)
        A batch, and its signals in [-1, 1], float32, each of shape (time,).

    Raises
    ------
    RecipeError
        As it was raised in a worker; see `decode`.
    """
    loader = BatchLoader(
        _Batches(index, pieces, batches), range(len(batches)), num_workers=num_workers
    )
    yield from zip(batches, loader, strict=True)


class _Batches(torch.utils.data.Dataset):
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

"""The audio of planned batches, each process reading only its own.

Authors
 * The TinyVoxCeleb authors 2026
"""

import torch

from local.audio import decode, repeat_to
from local.decoding import as_it_is, leave_interrupts_to_the_main_process
from local.errors import RecipeError
from local.shards import locate_audio, open_audio
from local.windows import MIN_FRAMES


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
    loader = torch.utils.data.DataLoader(
        _Batches(index, pieces, batches),
        batch_size=None,
        num_workers=num_workers,
        collate_fn=as_it_is,
        worker_init_fn=leave_interrupts_to_the_main_process if num_workers else None,
    )
    for batch, signals in zip(batches, loader, strict=True):
        if isinstance(signals, RecipeError):
            raise signals
        yield batch, signals


class _Batches(torch.utils.data.Dataset):
    def __init__(self, index, pieces, batches):
        self.samples = index.samples
        self.members = locate_audio(index.shards)
        self.pieces = pieces
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, number):
        try:
            return [self._decode(self.pieces[piece]) for piece in self.batches[number]]
        except RecipeError as error:
            return error  # raised in the main process, without the worker's traceback around it

    def _decode(self, piece):
        with open_audio(self.members[piece.row]) as file:
            signal = decode(
                file, self.samples[piece.row], start=piece.start, num_frames=piece.num_frames
            )
        return repeat_to(signal, MIN_FRAMES)

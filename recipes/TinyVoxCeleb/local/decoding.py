"""Read and decode shards in several processes, each utterance once.

Every worker walks all shards (a second reader of a file finds it in the page cache) and decodes
each `num_workers`-th utterance only; the loader takes from the workers in turn, which restores the
order. So each utterance comes once, however many workers and however few shards there are.

Authors
 * The TinyVoxCeleb authors 2026
"""

import itertools
import signal

import torch
import webdataset as wds

from local.errors import RecipeError
from local.shards import read_shards


def decode_shards(shards, decoder, num_workers, ahead):
    """Decode all utterances, in the order of the shards.

    Arguments
    ---------
    shards : list of Path
    decoder : callable
        Gets a Sample and its encoded audio.
    num_workers : int
        Processes that decode; 0 decodes in this one.
    ahead : int
        Utterances that they decode in advance, about.

    Yields
    ------
    object
        What `decoder` returned, in the same order whatever `num_workers` is.

    Raises
    ------
    RecipeError
        As it was raised in a worker.
    """
    loader = wds.WebLoader(
        _DecodingStream(shards, decoder),
        batch_size=None,
        num_workers=num_workers,
        prefetch_factor=max(2, -(-ahead // num_workers)) if num_workers else None,
        collate_fn=as_it_is,
        worker_init_fn=leave_interrupts_to_the_main_process if num_workers else None,
    )
    for item in loader:
        if isinstance(item, RecipeError):
            raise item
        yield item


class _DecodingStream(torch.utils.data.IterableDataset):
    """What one worker decodes of a pass over the shards: each `num_workers`-th utterance."""

    def __init__(self, shards, decoder):
        self.shards = shards
        self.decoder = decoder

    def __iter__(self):
        worker = torch.utils.data.get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        try:
            for sample, encoded in itertools.islice(read_shards(self.shards), first, None, step):
                yield self.decoder(sample, encoded)
        except RecipeError as error:
            yield error  # raised in the main process, without the worker's traceback around it


def leave_interrupts_to_the_main_process(_):
    """For worker processes, as their `worker_init_fn`: Ctrl-C gives one message, not one each."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def as_it_is(item):
    """For a loader that neither collates nor converts, as its `collate_fn`."""
    return item

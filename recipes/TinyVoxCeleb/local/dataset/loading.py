"""Batches read ahead by worker processes.

Authors
 * The TinyVoxCeleb authors 2026
"""

import atexit
import functools
import signal

import torch
from torch.utils.data import DataLoader, IterableDataset

from local.dataset.batch import collate
from local.dataset.indexed import IndexedCrops
from local.dataset.streamed import StreamedCrops
from local.errors import RecipeError


def make_crops(order, *, crop_frames):
    """The crops of an order: from any place of the shards where these can be mapped, else streamed.

    Arguments
    ---------
    order : CropOrder
    crop_frames : int
        Length of a crop in audio samples.

    Returns
    -------
    IndexedCrops or StreamedCrops
    """
    if not order.index.mapped:
        return StreamedCrops(order, crop_frames=crop_frames, seed=order.seed)
    return IndexedCrops(
        order.index,
        crop_frames=crop_frames,
        seed=order.seed,
        crops_per_utterance=order.crops_per_utterance,
    )


class BatchLoader(DataLoader):
    """A DataLoader of whole batches.

    An error of a worker is raised in this process as it was raised there, without the worker's
    traceback around it. Signals are left to this process: Ctrl-C gives one message, and SLURM's
    signals, which go to all processes of a job, do not end the workers before the last checkpoint.

    Arguments
    ---------
    data : IndexedCrops or Utterances or StreamedCrops
    order : iterable, optional
        Numbers of the items of each batch, or of whole batches; None where `data` is streamed.
    num_workers : int
        Processes that read; 0 reads in this one.
    pin_memory : bool
        Put batches into page-locked memory, from where they are copied faster to a GPU.
    """

    def __init__(self, data, order=None, *, num_workers=0, pin_memory=False):
        streamed = isinstance(data, IterableDataset)
        self.order = data.order if streamed else order
        self.data = data
        super().__init__(
            data if streamed else _WholeBatches(data),
            sampler=None if streamed else order,
            batch_size=None,
            num_workers=num_workers,
            collate_fn=as_it_is,
            pin_memory=pin_memory,
            # What has been read so far is shared with the workers.
            multiprocessing_context="fork" if num_workers else None,
            worker_init_fn=leave_signals_to_the_main_process if num_workers else None,
        )

    def set_epoch(self, epoch, start=0):
        """Choose the epoch, and the batch of it, with which the next pass begins.

        Arguments
        ---------
        epoch, start : int
        """
        self.order.set_epoch(epoch, start)
        if isinstance(self.data, IndexedCrops):
            self.data.set_epoch(epoch)

    def __iter__(self):
        iterator = super().__iter__()
        if not self.num_workers:
            yield from map(_raised, iterator)
            return
        end = functools.partial(_end, iterator)
        atexit.register(end)
        try:
            yield from map(_raised, iterator)
        finally:
            end()
            atexit.unregister(end)


def _end(iterator):
    """End the workers, which ignore the SIGTERM that Python and torch have for those that hang."""
    for worker in iterator._workers:
        worker.terminate = worker.kill
    iterator._shutdown_workers()


def _raised(batch):
    if isinstance(batch, RecipeError):
        raise batch
    return batch


class _WholeBatches(torch.utils.data.Dataset):
    """A data set of items as one of batches of them; one of batches as it is."""

    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data)

    def __getitem__(self, key):
        try:
            if isinstance(key, int):
                return self.data[key]
            return collate([self.data[number] for number in key])
        except RecipeError as error:
            return error


def leave_signals_to_the_main_process(_):
    """For worker processes, as their `worker_init_fn`."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)


def as_it_is(item):
    """For a loader that neither collates nor converts, as its `collate_fn`."""
    return item

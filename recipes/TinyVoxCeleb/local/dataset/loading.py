"""Batches read ahead by threads or processes."""

import atexit
import collections
import functools
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import torch
from torch.utils.data import DataLoader, IterableDataset

from local.dataset.batch import collate
from local.dataset.crops import check_some_are_longer
from local.dataset.indexed import IndexedCrops
from local.dataset.streamed import StreamedCrops
from local.errors import RecipeError

SWITCH_INTERVAL = 0.0005  # s that the network waits at most for a thread that reads


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

    Raises
    ------
    RecipeError
        Every utterance is shorter than a crop; see also `IndexedCrops`.
    """
    check_some_are_longer(order.index, crop_frames)
    if not order.index.mapped:
        return StreamedCrops(order, crop_frames=crop_frames, seed=order.seed)
    return IndexedCrops(
        order.index,
        crop_frames=crop_frames,
        seed=order.seed,
        crops_per_utterance=order.crops_per_utterance,
    )


class BatchLoader(DataLoader):
    """A DataLoader of whole batches, read ahead while the network computes.

    Mapped shards are read by threads: reading is copying, and a batch that a thread has made need
    not travel. Streams are read by processes, as each unpacks or decodes all of them. An error of
    either is raised in the main process as it was raised there.

    Arguments
    ---------
    data : IndexedCrops or Utterances or StreamedCrops
    order : iterable, optional
        Numbers of the items of each batch, or of whole batches; None where `data` is streamed.
    num_workers : int
        Threads or processes that read; 0 reads in the main thread.
    pin_memory : bool
        Put batches into page-locked memory, from where they are copied faster to a GPU.
    """

    def __init__(self, data, order=None, *, num_workers=0, pin_memory=False):
        streamed = isinstance(data, IterableDataset)
        self.order = data.order if streamed else order
        self.data = data
        self.threads = 0 if streamed else num_workers
        processes = num_workers - self.threads
        super().__init__(
            data if streamed else _WholeBatches(data, pin_memory),
            sampler=None if streamed else order,
            batch_size=None,
            num_workers=processes,
            collate_fn=as_it_is,
            pin_memory=pin_memory and streamed,
            multiprocessing_context="fork" if processes else None,
            worker_init_fn=leave_signals_to_the_main_process if processes else None,
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
        if self.threads:
            return self._from_threads()
        if self.num_workers:
            return self._from_processes()
        return super().__iter__()

    def _from_threads(self):
        pool, ahead = ThreadPoolExecutor(self.threads), collections.deque()
        before = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL)
        try:
            for numbers in self.sampler:
                ahead.append(pool.submit(self.dataset.__getitem__, numbers))
                if len(ahead) > 2 * self.threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            sys.setswitchinterval(before)
            pool.shutdown(cancel_futures=True)

    def _from_processes(self):
        iterator = super().__iter__()
        end = functools.partial(_end, iterator)
        atexit.register(end)
        try:
            for batch in iterator:
                if isinstance(batch, RecipeError):
                    raise batch
                yield batch
        finally:
            end()
            atexit.unregister(end)


class _WholeBatches(torch.utils.data.Dataset):
    """A data set of items as one of batches of them; one of batches as it is."""

    def __init__(self, data, pin_memory):
        self.data = data
        self.pin_memory = pin_memory

    def __len__(self):
        return len(self.data)

    def __getitem__(self, key):
        single = isinstance(key, int)
        batch = self.data[key] if single else collate([self.data[number] for number in key])
        return batch.pin_memory() if self.pin_memory else batch


def _end(iterator):
    """End the workers, which ignore the SIGTERM that Python and torch have for those that hang."""
    for worker in iterator._workers:
        worker.terminate = worker.kill
    iterator._shutdown_workers()


def leave_signals_to_the_main_process(_):
    """For worker processes, as their `worker_init_fn`.

    Ctrl-C gives one message, and SLURM's signals, which go to all processes of a job, do not end
    the workers before the last checkpoint.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)


def as_it_is(item):
    """For a loader that neither collates nor converts, as its `collate_fn`."""
    return item

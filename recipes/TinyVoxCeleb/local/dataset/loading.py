"""Batches read ahead by threads or processes."""

import atexit
import collections
import functools
import signal
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from torch.utils.data import DataLoader, Dataset, IterableDataset

from local.dataset.batch import collate
from local.dataset.crops import IndexedCrops
from local.dataset.order import CropOrder
from local.dataset.streamed import StreamedCrops
from local.errors import RecipeError

SWITCH_INTERVAL = 0.0005  # s that the network waits at most for a thread that reads


def make_crops(order: CropOrder, *, crop_frames: int) -> IndexedCrops | StreamedCrops:
    """The crops of an order: from any place of the shards where these can be mapped, else streamed.

    Their length is told in audio samples.

    Raises
    ------
    RecipeError
        Every utterance is shorter than a crop; see also `IndexedCrops`.
    """
    index = order.index
    longest = index.num_frames.max()
    if crop_frames > longest:
        raise RecipeError(
            f"audio_length_num_frames: crops of {crop_frames} audio samples, but the longest "
            f"utterance in {index.name} has {longest}; give at most that"
        )
    if not index.mapped:
        return StreamedCrops(order, crop_frames=crop_frames, seed=order.seed)
    return IndexedCrops(
        index,
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
    data :
        Crops, as IndexedCrops or StreamedCrops; or whole batches, such as Utterances.
    order :
        For each batch the list of its items' numbers, or the one number of a whole batch; None
        where the data is streamed.
    num_workers :
        Threads or processes that read; 0 reads in the main thread.
    pin_memory :
        Put batches into page-locked memory, from where they are copied faster to a GPU.
    """

    def __init__(
        self,
        data: Dataset,
        order: Iterable | None = None,
        *,
        num_workers: int = 0,
        pin_memory: bool = False,
    ):
        self.streamed = isinstance(data, IterableDataset)
        self.order = data.order if self.streamed else order
        self.threads = 0 if self.streamed else num_workers
        processes = num_workers - self.threads
        super().__init__(
            data,
            sampler=None if self.streamed else order,
            batch_size=None,
            num_workers=processes,
            collate_fn=_as_it_is,
            pin_memory=pin_memory,
            multiprocessing_context="fork" if processes else None,
            worker_init_fn=_leave_signals_to_the_main_process if processes else None,
        )

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Choose the epoch, and the batch of it, with which the next pass begins."""
        self.order.set_epoch(epoch, start)
        if isinstance(self.dataset, IndexedCrops):
            self.dataset.set_epoch(epoch)

    def __iter__(self) -> Iterator:
        if self.threads:
            return self._from_threads()
        if self.num_workers:
            return self._from_processes()
        return super().__iter__() if self.streamed else map(self._read, self.sampler)

    def _read(self, numbers):
        """Read a batch: the one that has this number, or that of the items with these numbers."""
        if isinstance(numbers, int):
            batch = self.dataset[numbers]
        else:
            batch = collate([self.dataset[number] for number in numbers])
        return batch.pin_memory() if self.pin_memory else batch

    def _from_threads(self):
        pool, ahead = ThreadPoolExecutor(self.threads), collections.deque()
        before = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL)
        try:
            for numbers in self.sampler:
                ahead.append(pool.submit(self._read, numbers))
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


def _end(iterator):
    """End the workers, which ignore the SIGTERM that Python and torch have for those that hang."""
    for worker in iterator._workers:
        worker.terminate = worker.kill
    iterator._shutdown_workers()


def _leave_signals_to_the_main_process(_):
    """Ignore signals in a worker process.

    Ctrl-C gives one message, and SLURM's signals, which go to all processes of a job, do not end
    the workers before the last checkpoint.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)


def _as_it_is(batch):
    """Neither collate nor convert a batch that is whole."""
    return batch

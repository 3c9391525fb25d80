"""What an index costs as the number of utterances grows: its time, and its memory."""

import shutil
import time

from benchmarks.corpus import make_short
from benchmarks.measuring import in_process
from benchmarks.usage import memory, peak_memory

SHORT_CROP = 1600  # the utterances are of 0.1 s


def growth(folder, sizes):
    """Index some, and more, and many utterances in a folder; each time in a new process.

    Yields
    ------
    dict
        "utterances", "index": seconds of the first pass, "again": of reading what it has left,
        "memory": bytes that index, data set and order of an epoch keep, "peak": at the most.
    """
    for size in sizes:
        shards = make_short(folder / "short", size)
        index_file = folder / "short.npz"
        index_file.unlink(missing_ok=True)
        yield {"utterances": size, **in_process(_measure, shards, index_file)}
        shutil.rmtree(shards)


def _measure(shards, index_file, pipe):
    from local.dataset import CropOrder, make_crops
    from local.shards import index_shards

    before, peak_before = memory(), peak_memory()
    start = time.perf_counter()
    index = index_shards(shards, index_file)
    seconds = time.perf_counter() - start
    order = CropOrder(index, batch_size=128, seed=1337)
    data = make_crops(order, crop_frames=SHORT_CROP)
    order.set_epoch(1)
    batches = iter(order)
    for number in next(batches):
        data[number]
    kept, peak = memory() - before, peak_memory() - peak_before
    start = time.perf_counter()
    index_shards(shards, index_file)
    again = time.perf_counter() - start
    pipe.send({"index": seconds, "again": again, "memory": kept, "peak": peak})

"""What an index costs as the number of utterances grows: its time, and its memory."""

import multiprocessing
import resource
import shutil
import time

from benchmarks.corpus import make_short
from benchmarks.usage import memory

SHORT_CROP = 1600  # the utterances are of 0.1 s


def growth(folder, sizes):
    """Index some, and more, and many utterances; each time in a new process.

    Arguments
    ---------
    folder : Path
        Gets the shards, one size after the other.
    sizes : list of int

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


def in_process(function, *arguments):
    """Call a function in a process of its own; it sends its answer through its last argument."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=function, args=(*arguments, theirs))
    process.start()
    theirs.close()
    try:
        return ours.recv()
    except EOFError:
        raise SystemExit(f"{function.__name__} died") from None
    finally:
        process.join()


def _measure(shards, index_file, pipe):
    from local.dataset import CropOrder, make_crops
    from local.shards import index_shards

    before, peak_before = memory(), _peak()
    start = time.perf_counter()
    index = index_shards(shards, index_file)
    seconds = time.perf_counter() - start
    order = CropOrder(index, batch_size=128, seed=1337)
    data = make_crops(order, crop_frames=SHORT_CROP)
    order.set_epoch(1)
    batches = iter(order)
    for number in next(batches):
        data[number]
    kept, peak = memory() - before, _peak() - peak_before
    start = time.perf_counter()
    index_shards(shards, index_file)
    again = time.perf_counter() - start
    pipe.send({"index": seconds, "again": again, "memory": kept, "peak": peak})


def _peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

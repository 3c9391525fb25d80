"""Measure peers beside each other: each lives in a process of its own, and they take turns."""

import contextlib
import gc
import importlib
import multiprocessing
import statistics
import time
import traceback
import warnings

from benchmarks.peers import MissingPeerError
from local.processes import keep_freed_memory

PEERS = {  # title, module, class
    "speechbrain": ("SpeechBrain's CSV of files", "speechbrain_csv", "SpeechBrainFiles"),
    "webdataset": ("plain webdataset", "plain_webdataset", "PlainWebdataset"),
    "torchdata": ("skeleton's TorchData, MFCC", "skeleton_torchdata", "SkeletonPipes"),
    "http_files": ("a request a file", "http_files", "HttpFiles"),
    "indexed": ("ours, indexed", "ours", "Indexed"),
    "streamed": ("ours, streamed", "ours", "Streamed"),
    "cached": ("ours, streamed and cached", "ours", "Cached"),
}


def start_process(function, *arguments):
    """Call a function in a process of its own, with one end of a pipe as its last argument.

    Returns the process and the other end of the pipe.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=function, args=(*arguments, theirs))
    process.start()
    theirs.close()
    return process, ours


def in_process(function, *arguments):
    """Call a function as `start_process` does, and return what it sends."""
    process, pipe = start_process(function, *arguments)
    try:
        return pipe.recv()
    except EOFError:
        process.join()
        call = ", ".join(getattr(each, "__name__", str(each)) for each in arguments)
        raise SystemExit(f"{function.__name__} of {call} died ({process.exitcode})") from None
    finally:
        process.join()


class PeerProcess:
    """A peer, named by a key of PEERS, in a process of its own that reads a Corpus."""

    def __init__(self, name, corpus):
        self.name, self.title = name, PEERS[name][0]
        self.process, self.pipe = start_process(_serve, name, corpus)

    def __call__(self, measure, **options):
        """Let it measure; see the functions below.

        Raises
        ------
        MissingPeerError
            A package that it needs is absent.
        """
        self.pipe.send((measure, options))
        try:
            answer = self.pipe.recv()
        except EOFError:
            self.process.join()
            raise SystemExit(f"{self.name} died ({self.process.exitcode})") from None
        if isinstance(answer, MissingPeerError):
            raise answer
        if isinstance(answer, str):
            raise SystemExit(f"{self.name}: {answer}")
        return answer

    def close(self):
        """End the process."""
        with contextlib.suppress(BrokenPipeError):
            self.pipe.send(None)
        self.pipe.close()
        self.process.join()


@contextlib.contextmanager
def running(names, corpus):
    """Yield processes of several peers by name; those that miss a package are left out."""
    peers = {}
    try:
        for name in names:
            peers[name] = PeerProcess(name, corpus)
        for name in names:
            try:
                peers[name]("ready")
            except MissingPeerError as error:
                print(f"({peers[name].title} is left out: {error})", flush=True)
                peers.pop(name).close()
        yield peers
    finally:
        for peer in peers.values():
            peer.close()


def _serve(name, corpus, pipe):
    warnings.simplefilter("ignore")
    # As in training; otherwise half of a reader's time is that of pages which it had before.
    keep_freed_memory()
    multiprocessing.set_start_method("fork", force=True)  # of DataLoaders' workers, as by default
    _, module, kind = PEERS[name]
    made = None

    def make():
        peers = importlib.import_module(f"benchmarks.peers.{module}")
        return getattr(peers, kind)(corpus)

    with contextlib.suppress(EOFError):  # the process that asks is gone
        while (command := pipe.recv()) is not None:
            measure, options = command
            try:
                if measure in (first_batch.__name__, traffic.__name__):  # of a new one
                    made = None
                    answer = MEASURES[measure](make, **options)
                else:
                    made = made or make()
                    answer = MEASURES[measure](made, **options)
            except MissingPeerError as error:
                answer = error
            except Exception:
                answer = traceback.format_exc()
            pipe.send(answer)


def _copy_all(crops, limit=0):
    """Copy crops or batches of them, so that each byte is touched; returns their number."""
    import torch

    count, target = 0, None
    for signals in crops:
        if target is None or signals.shape > target.shape:
            target = torch.empty_like(signals)
        if signals.dim() == 2:
            target[: len(signals)].copy_(signals)
            count += len(signals)
        else:
            target.copy_(signals)
            count += 1
        if limit and count >= limit:
            break
    return count


def first_batch(make, workers):
    """Seconds from nothing but the imports to the first batch, index and lists included."""
    start = time.perf_counter()
    batches = iter(make().batches(1, workers))
    next(batches)
    seconds = time.perf_counter() - start
    batches.close()
    return seconds


def alone(peer, epoch, limit=0):
    """Crops a second of the data set itself, in one process."""
    start = time.perf_counter()
    count = _copy_all(peer.crops(epoch), limit)
    return count / (time.perf_counter() - start)


def through_loader(peer, epoch, workers, limit=0):
    """Crops a second as batches through a DataLoader, its start included."""
    start = time.perf_counter()
    count = _copy_all(peer.batches(epoch, workers), limit)
    return count / (time.perf_counter() - start)


def traffic(make, workers, folder):
    """Opens, bytes and memory of an epoch.

    Returns
    -------
    dict of str to float
        "opens" of files below `folder`, and the most of one file by one "process", in an epoch
        with workers; "asked" bytes of an epoch in one process; bytes from the "disk", and crops a
        second, "cold", of one that finds nothing in the cache; "memory" of all processes in the
        midst of an epoch with workers.
    """
    from benchmarks.usage import OpenCounter, bytes_asked, bytes_from_disk, forget_pages, memory

    gc.collect()
    before = memory()
    peer, counter, most = make(), OpenCounter(folder), before
    with counter.counting() as opened:
        for number, _ in enumerate(peer.batches(1, workers)):
            if number % 8 == 4:
                most = max(most, memory())
    most -= before
    before = bytes_asked()
    _copy_all(peer.crops(2))
    asked = bytes_asked() - before
    del peer
    gc.collect()  # pages that are mapped are not forgotten
    peer = make()
    forget_pages(folder)
    before, start = bytes_from_disk(), time.perf_counter()
    count = _copy_all(peer.crops(3))
    return {
        "opens": sum(opened.values()),
        "process": max(opened.values(), default=0),
        "asked": asked,
        "disk": bytes_from_disk() - before,
        "cold": count / (time.perf_counter() - start),
        "memory": most,
    }


def ready(peer):
    """Nothing: that it could be made is the answer."""
    return True


MEASURES = {each.__name__: each for each in (ready, alone, through_loader, first_batch, traffic)}


def in_turns(peers, measure, repeats, **options):
    """Let PeerProcesses measure in turns: an epoch a round, after one that is not counted.

    Returns the values of the rounds by the name of the peer.
    """
    found = {name: [] for name in peers}
    for round_number in range(repeats + 1):
        for name, peer in peers.items():
            value = peer(measure, epoch=round_number + 1, **options)
            if round_number:
                found[name].append(value)
    return found


def ratio(values, others):
    """Median, least and greatest quotient of values that were measured in the same rounds."""
    quotients = [a / b for a, b in zip(values, others, strict=True)]
    return statistics.median(quotients), min(quotients), max(quotients)

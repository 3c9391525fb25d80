"""Audio files read in their order by processes beside this one, through shared memory."""

import ctypes
import itertools
import mmap
import os
import pickle
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import get_context
from pathlib import Path

from local.errors import RecipeError
from local.shards.checking import file_size

SLOT = 2 << 20  # bytes of shared memory that hold what was read at once: 1 min of 16 bits
SLOTS = 2  # of each process: one is filled while the other is taken
MOST = 8  # processes; more wait for this one, which takes what they read
IN_FLIGHT = 64 << 20  # bytes of files that are read ahead: half an hour of 16 bits
BESIDE = 1 << 16  # bytes of a file's loudest second
PR_SET_PDEATHSIG = 1  # the signal that a process gets when its parent ends, see prctl(2)


class Readers:
    """Processes that call a function for each path; answers come in the order of the paths.

    Threads take 1.4 times as long on two cores. What an answer has in buffers (arrays, and bytes in
    a `pickle.PickleBuffer`) lies in shared memory, and is valid until the next is asked for. A
    context, at whose end, also after an error, the processes end; they end with this one, too,
    however that ends. There are `most` of them, or one for each core.
    """

    def __init__(self, read: Callable[[Path], object], most: int = MOST):
        self._read, self._most, self._number = read, most, 0
        self._workers = []

    def __enter__(self):
        context = get_context("fork")  # shares memory without a name, of which none can stay behind
        for _ in range(min(len(os.sched_getaffinity(0)), self._most)):
            memory = mmap.mmap(-1, SLOT * SLOTS)
            own, others = context.Pipe()
            arguments = others, memory, self._read, os.getpid()
            process = context.Process(target=_work, args=arguments, daemon=True)
            process.start()
            others.close()
            self._workers.append((process, own, memory))
        return self

    def __exit__(self, *_):
        for process, own, _ in self._workers:
            process.kill()  # it writes no file
            process.join()
            own.close()

    def __call__(self, paths: Iterable[Path]) -> Iterator:
        """What the function gives for each path.

        In memory are files of `IN_FLIGHT` bytes together, or one that is larger.

        Raises
        ------
        RecipeError
            A process was killed. What the function raises is raised too.
        """
        waiting, in_flight = deque(), 0
        for task, size in _tasks(paths):
            full = len(self._workers) * SLOTS
            while waiting and (in_flight + size > IN_FLIGHT or len(waiting) == full):
                in_flight -= waiting[0][2]
                yield from self._answers(*waiting.popleft())
            self._workers[self._number % len(self._workers)][1].send(task)
            waiting.append((self._number, task, size))
            self._number += 1
            in_flight += size
        while waiting:
            yield from self._answers(*waiting.popleft())

    def _answers(self, number, task, _):
        round_, place = divmod(number, len(self._workers))
        process, own, memory = self._workers[place]
        try:
            told, sizes = own.recv()
        except (EOFError, ConnectionError):
            process.join()
            raise RecipeError(
                f"a process that read {task[0]}, or one of {len(task)} files from there on, ended "
                f"with {process.exitcode}; -9 is for want of memory, mostly: try again"
            ) from None
        ends = list(itertools.accumulate(sizes, initial=round_ % SLOTS * SLOT))
        answers = pickle.loads(
            told, buffers=[memoryview(memory)[a:b] for a, b in itertools.pairwise(ends)]
        )
        if isinstance(answers, Exception):
            raise answers
        yield from answers


def _tasks(paths):
    """Lists of paths whose files fill a slot at the most, or a single one; with their bytes."""
    task, filled, total = [], 0, 0
    for path in paths:
        size = file_size(path)
        if task and filled + size + BESIDE > SLOT:
            yield task, total
            task, filled, total = [], 0, 0
        task.append(path)
        filled, total = filled + size + BESIDE, total + size
    if task:
        yield task, total


def _work(connection, memory, read, parent):
    """What a process does, until it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the parent ends them
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before
        return
    for begin in itertools.cycle(range(0, SLOT * SLOTS, SLOT)):
        task = connection.recv()
        try:
            answers = [read(path) for path in task]
        except Exception as error:
            answers = error
        buffers = []
        told = pickle.dumps(answers, 5, buffer_callback=buffers.append)
        raw = [buffer.raw() for buffer in buffers]
        sizes = [content.nbytes for content in raw]
        if sum(sizes) > SLOT:  # a long file: by the pipe
            connection.send((pickle.dumps(answers, 5), []))
            continue
        for content in raw:
            memory[begin : begin + content.nbytes] = content
            begin += content.nbytes
        connection.send((told, sizes))

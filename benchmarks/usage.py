"""Which files a process and its workers open, and what they read and keep in memory.

Opens are counted by Python's audit hook, which forked workers inherit. libsndfile opens files by
itself, unseen by the hook, so opening a path with soundfile is announced to it.
"""

import collections
import contextlib
import os
import resource
import sys
import tempfile
from pathlib import Path

import soundfile as sf


class OpenCounter:
    """Counts the opens of files below a folder, from its making to the end of the process."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.log = None
        with_path = sf.SoundFile._open

        def announced(file, *args):
            if isinstance(args[0], str | bytes | os.PathLike):
                sys.audit("open", os.fspath(args[0]), "r", 0)
            return with_path(file, *args)

        sf.SoundFile._open = announced
        sys.addaudithook(self._note)

    def _note(self, event, args):
        # pathlib and mmap go through "open" as well; os.open has its flags in the third place.
        if self.log is None or event != "open" or not isinstance(args[0], str | bytes):
            return
        path = os.fsdecode(args[0])
        if path.startswith(self.folder):
            os.write(self.log, f"{os.getpid()} {path}\n".encode())

    @contextlib.contextmanager
    def counting(self):
        """Count what is opened meanwhile; yields opens by (process, path), filled at the end."""
        found = collections.Counter()
        with tempfile.TemporaryFile(buffering=0) as file:
            # One offset for all processes: what they write stands one after the other.
            self.log = file.fileno()
            try:
                yield found
            finally:
                self.log = None
            file.seek(0)
            found.update(tuple(line.split(" ", 1)) for line in file.read().decode().splitlines())


def bytes_asked():
    """Bytes that this process has asked the kernel for, mapped files left out."""
    with open("/proc/self/io", encoding="utf-8") as fin:
        return int(fin.readline().split()[1])


def bytes_from_disk():
    """Bytes that came from the disk for this process and its workers that have ended."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return 512 * sum(resource.getrusage(each).ru_inblock for each in who)


def forget_pages(folder):
    """Ask the kernel to forget what it keeps in memory of the files below a folder."""
    os.sync()
    for path in Path(folder).rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def peak_memory():
    """Largest memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def memory(pid=None):
    """Bytes of this process, or of another, and of its children, each shared page counted once.

    Pages of mapped files, which the kernel takes back when it needs them, are left out.
    """
    pid = pid or os.getpid()
    total = 0
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as fin:
        for line in fin:
            if line.startswith(("Pss_Anon", "Pss_Shmem")):
                total += 1024 * int(line.split()[1])
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += sum(memory(int(child)) for child in (task / "children").read_text().split())
    return total

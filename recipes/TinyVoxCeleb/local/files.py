"""Files and folders that appear complete or not at all, and locks between processes.

Everything is written beside its destination under a temporary name and renamed at the end, once it
has reached the disk: neither a killed run nor a power cut leaves a half-written result. Leftovers
are removed by the next run. Of two runs that write one file at once, the file is that of the later
one; of two that fill one folder, which takes longer, the second waits.
"""

import contextlib
import ctypes
import errno
import fcntl
import glob
import os
import re
import shutil
import socket
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from local.errors import RecipeError, write_errors

MANY = 200  # files from which on the system's call for all files is faster than one for each


@contextlib.contextmanager
def atomic_file(path: str | Path, mode: str = "w") -> Iterator[IO]:
    """Open a file that appears under its name only once it is complete.

    Missing parent folders are made. The mode is "w" (UTF-8 text) or "wb". Devices, such as
    /dev/stdout, are written to and stay.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> with atomic_file(folder / "scores.txt") as fout:
    ...     _ = fout.write("0.5 a b")
    ...     (folder / "scores.txt").exists()
    False
    >>> (folder / "scores.txt").read_text()
    '0.5 a b'
    """
    path, encoding = Path(path), None if "b" in mode else "utf-8"
    if is_special(path):
        with write_errors(path), open(path, mode.replace("w", "a"), encoding=encoding) as fout:
            yield fout
        return
    temporary = _own_name(path)
    with write_errors(path):
        try:
            with open(temporary, mode, encoding=encoding) as fout:
                yield fout
                fout.flush()
                os.fsync(fout.fileno())
            os.replace(temporary, path)
            sync(path.parent)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()


def is_special(path: str | Path) -> bool:
    """Whether a path is a device, or in /dev or /proc, as /dev/stdout is, wherever that leads."""
    path = Path(path).absolute()
    named = path.parts[1:2] in (("dev",), ("proc",))
    device = path.is_char_device() or path.is_block_device()
    return device or (named and path.exists() and not path.is_dir())


def sync(path: str | Path, all_of_disk: bool = False) -> None:
    """Wait until a file or the names in a folder are on the disk, or all that belongs on it."""
    number = os.open(path, os.O_RDONLY)
    try:
        _sync_disk(number) if all_of_disk else os.fsync(number)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems know it for files only
            raise
    finally:
        os.close(number)


def sync_all(folder: Path) -> None:
    """Wait until all that a folder holds is on the disk."""
    entries = [entry for entry in (*folder.rglob("*"), folder) if not entry.is_symlink()]
    many = len(entries) > MANY
    for entry in [folder] if many else entries:
        sync(entry, all_of_disk=many)


def _sync_disk(number):
    """Wait for all files of the disk on which an open one lies; by a call that only Linux has."""
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", os.fsync)
    if syncfs(number):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _own_name(path):
    """A name beside a path for this process alone; what killed ones left there is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent)
    return path.with_name(f".{path.name}.{socket.gethostname()}-{os.getpid()}.partial")


def remove_leftovers(folder: str | Path) -> None:
    """Remove what killed processes of this machine have left half written in a folder, if anything.

    Whoever writes there does so too; it is for those that find a file, which another may have left.
    """
    host = f".{socket.gethostname()}-"
    for left in list(Path(folder).glob(f".*{glob.escape(host)}*.partial")):
        if not _is_running(left.name.rpartition(host)[2].removesuffix(".partial")):
            with contextlib.suppress(OSError):  # a folder that may only be read
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def _is_running(pid):
    try:
        os.kill(int(pid), 0)  # no signal, only the check
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        pass
    return True


@contextlib.contextmanager
def atomic_folder(
    path: str | Path, keep: bool = False, resume: bool = False
) -> Iterator[Path | None]:
    """Fill a folder that appears under its name only once it is complete; an old one is replaced.

    Yields the empty temporary folder to fill; with `resume`, what an error or a kill has left in it
    is there again. Missing parent folders are made. Another process that fills the same folder is
    waited for. With `keep` a folder that is there, then or before, stays, and None is yielded.
    """
    path = Path(path)
    waiting = f"{path}: waiting for another process that makes it"
    with write_errors(path), exclusive(path.with_name(f".{path.name}.lock"), waiting):
        own = _own_name(path)
        if keep and path.is_dir():
            yield None
            return
        shutil.rmtree(own, ignore_errors=True)  # of a killed process with the same number
        temporary = path.with_name(f".{path.name}.partial") if resume else own
        old = own.with_suffix(".old.partial")  # no number: the next process removes it
        temporary.mkdir(exist_ok=resume)
        try:
            yield temporary
            sync_all(temporary)
            if path.is_dir() and not path.is_symlink():
                os.replace(path, old)
            try:
                os.replace(temporary, path)
            except BaseException:
                if old.is_dir():
                    os.replace(old, path)
                raise
            sync(path.parent)
        finally:
            with contextlib.suppress(OSError):
                temporary.rmdir()  # where it is empty
            shutil.rmtree(own, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)


def check_writable(path: str | Path) -> None:
    """Check that a file can be written, before the work whose result it is to hold.

    That its folder cannot be made or written to, or that it is one itself, is a RecipeError.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecipeError(f"{path}: its folder cannot be made ({error.strerror})") from None
    if path.is_dir() or not (is_special(path) or os.access(path.parent, os.W_OK | os.X_OK)):
        raise RecipeError(f"{path}: cannot be written there; choose another place")


def check_not_read(outputs: Iterable[str | Path], inputs: Iterable[str | Path]) -> None:
    """Check that a command would not replace a file that it reads, which is a RecipeError."""
    read = {os.path.realpath(path) for path in inputs}
    for path in outputs:
        if os.path.realpath(path) in read:
            raise RecipeError(f"{path}: this command reads it and would replace it; name another")


def split_paths(text: str) -> list[str]:
    """The paths of a list, which commas separate.

    Those within braces and in the name of what exists separate nothing; blanks beside them, and
    nothing between two of them, count as little.

    Example
    -------
    >>> folder = getfixture("tmp_path") / "Smith, John"
    >>> folder.mkdir()
    >>> split_paths(f"a.txt, {folder},b.txt,") == ["a.txt", str(folder), "b.txt"]
    True
    """
    parts, paths = re.split(r",(?![^{}]*\})", text), []
    while parts:
        joined = {",".join(parts[:count]): count for count in range(len(parts), 0, -1)}
        joined |= {name.strip(): count for name, count in joined.items() if name.strip()}
        found = [name for name in joined if os.path.exists(name)] or [parts[0]]
        name = max(found, key=joined.get)  # the longest that exists
        paths.append(name if os.path.exists(name) else name.strip())
        del parts[: joined[name]]
    return list(filter(None, paths)) or [text]


@contextlib.contextmanager
def exclusive(
    path: str | Path, waiting: str | None = None, busy: str | None = None
) -> Iterator[None]:
    """Hold a lock while the block runs; it ends with the process too, however that ends.

    The lock's file is removed at the end; missing parent folders are made. Where another process
    holds the lock, `busy` is the text of a RecipeError; without it, `waiting` is said on stderr,
    and the lock is waited for.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    held = False
    while not held:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(open(path, "a"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if busy:
                    raise RecipeError(busy) from None
                if waiting:
                    print(waiting, file=sys.stderr, flush=True)
                    waiting = None
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError:
                pass  # some network file systems know no locks: two may then do the same work
            # Whoever held it may have removed the file, and a third made a new one.
            with contextlib.suppress(FileNotFoundError):
                held = os.path.samestat(os.fstat(file.fileno()), path.stat())
            if held:
                try:
                    yield
                finally:
                    with contextlib.suppress(OSError):
                        path.unlink()

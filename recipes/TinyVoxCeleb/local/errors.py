"""One clear line for what a user can mend, a traceback only for those who ask."""

import contextlib
import errno
import itertools
import os
import re
import signal
import sys
import threading
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

FULL = {
    errno.ENOSPC: "the disk is full: make room there",
    errno.EDQUOT: "the quota is used up: make room, or ask for more",
    errno.EFBIG: "it would be larger than a file may be: raise that limit (ulimit -f)",
    errno.EROFS: "the disk is read-only: make it writable",
}
FAILING = {
    errno.EACCES: "no permission: make its folder writable",
    errno.EPERM: "no permission: make its folder writable",
    errno.EIO: "the disk fails (Input/output error): check it, or take another",
    errno.ENODEV: "the disk is gone: bring it back",
    errno.ESTALE: "the network's disk is gone: bring it back",
}

LONGEST = 1400  # characters of a message


class RecipeError(Exception):
    """Something the user can mend: bad data, a bad option, a missing file.

    The message names the file, line or key, what was found, what was expected and what to do. It
    is one line of a length that can be read, whatever the files hold that it quotes.

    Example
    -------
    >>> print(RecipeError("a\\x1b[2J\\nb.txt: no such file"), len(str(RecipeError("a" * 10**6))))
    a\\x1b[2J b.txt: no such file 1400
    """

    def __init__(self, message: str):
        line = re.sub(r"[^ -~]", _escaped, re.sub(r"[\r\n]+\s*", " ", message.strip()))
        if len(line) > LONGEST:
            line = f"{line[: LONGEST * 2 // 3]} … {line[-LONGEST // 3 + 3 :]}"
        super().__init__(line)


def first_of(names: Collection, count: int = 5, joiner: str = ", ") -> str:
    """The first of some names, for a message, and "…" where there are more.

    Example
    -------
    >>> first_of(["a", "b", "c"]), first_of(["a", "b", "c"], 2)
    ('a, b, c', 'a, b, …')
    """
    more = ["…"] * (len(names) > count)
    return joiner.join([*map(str, itertools.islice(names, count)), *more])


def _escaped(match):
    """A character as it is, unless it moves the cursor or cannot be written."""
    return match[0] if match[0].isprintable() else repr(match[0])[1:-1]


class WriteError(RecipeError, OSError):
    """A file cannot be written: the disk is full, fails, or is not to be written to."""

    def __init__(self, message: str, number: int | None = None):
        super().__init__(message)
        self.errno, self.strerror = number, os.strerror(number) if number else message

    def __str__(self):
        return self.args[0]


class Stopped(Exception):  # noqa: N818 - no error
    """A signal of this number has stopped the work, which is saved.

    The message is for the user; a process that is not the first has nothing to tell.
    """

    def __init__(self, number: int, message: str):
        super().__init__(message)
        self.number = number


def system_error(error: BaseException) -> int | None:
    """The number of the system's error behind an exception, also where it is only told of."""
    while error is not None:
        if number := getattr(error, "errno", None):
            return number
        if found := re.search(r"\berrno (\d+)", str(error), re.I):  # shutil's and torch's
            return int(found[1])
        error = error.__cause__ or error.__context__
    return None


@contextlib.contextmanager
def write_errors(path: str | Path, failing: Mapping[int, str] = FAILING) -> Iterator[None]:
    """Tell in one line that a file, or one of a folder, cannot be written, and what to do.

    `failing` has what to do about errors of the system that reading may raise too.

    Raises
    ------
    WriteError
        In the place of errors of the system that say so, and of torch's.
    """
    try:
        yield
    except WriteError:
        raise
    except (OSError, RuntimeError, ValueError) as error:
        number = system_error(error)
        other = getattr(error, "filename", None)
        reason = FULL.get(number)
        if other is None or Path(str(other)).is_relative_to(Path(path).parent):
            reason = reason or failing.get(number)
        if reason is None and re.search("PytorchStreamWriter|unexpected pos", str(error)):
            # torch says no more
            reason = "the disk is full, fails, or has a quota: make room there"
        if reason is None:
            raise
        text = f"{path}: cannot be written: {reason}, then give the same command again"
        raise WriteError(text, number) from error


@contextlib.contextmanager
def one_line_errors(debug: bool = False, code: int = 1) -> Iterator[None]:
    """Turn errors that a user can mend into one line on stderr and an exit code.

    For debugging, exceptions are let through, with their tracebacks.

    Raises
    ------
    SystemExit
        With `code` after a RecipeError or an OSError (disk full, no permission), with 128 and the
        number of the signal, as shells do, after a signal: 130 after Ctrl-C, 138 after SIGUSR1.
    """
    tell = threading.excepthook
    if not debug:
        threading.excepthook = lambda of: _is_told(of) or tell(of)
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(_say("\ninterrupted; the same command carries on", 130))
    except Stopped as stop:
        sys.exit(_say(str(stop), 128 + stop.number))
    except BrokenPipeError:  # e.g. `... | head`: the reader has what it wants
        stop_writing()
        sys.exit(1)
    except (RecipeError, OSError) as error:
        if debug:
            raise
        advice = "" if isinstance(error, RecipeError) else FULL.get(system_error(error), "")
        sys.exit(_say(f"error: {' '.join(f'{error}: {advice}'.split()).removesuffix(':')}", code))
    finally:
        threading.excepthook = tell


def stop_writing() -> None:
    """Let what is written to the screen go nowhere, as nobody reads it any more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def end_at_interrupts() -> None:
    """Let Ctrl-C end this process at once and in silence until `one_line_errors`.

    Some libraries make another error of a KeyboardInterrupt while they are imported.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def _is_told(of):
    """Whether an error of a thread is told anyway: TensorBoard's writer, to whom waits for it."""
    return issubclass(of.exc_type, OSError) and type(of.thread).__name__ == "_AsyncWriterThread"


def _end(number, _):
    os._exit(128 + number)


def _say(message, code):
    if message:
        print(message, file=sys.stderr)
    return code

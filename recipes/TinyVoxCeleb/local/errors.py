"""One clear line for what a user can mend, a traceback only for those who ask."""

import contextlib
import os
import re
import sys
from collections.abc import Iterator

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


def _escaped(match):
    """A character as it is, unless it moves the cursor or cannot be written."""
    return match[0] if match[0].isprintable() else repr(match[0])[1:-1]


class Stopped(Exception):  # noqa: N818 - no error
    """A signal of this number has stopped the work, which is saved.

    The message is for the user; a process that is not the first has nothing to tell.
    """

    def __init__(self, number: int, message: str):
        super().__init__(message)
        self.number = number


@contextlib.contextmanager
def one_line_errors(debug: bool = False) -> Iterator[None]:
    """Turn errors that a user can mend into one line on stderr and exit code 1.

    For debugging, exceptions are let through, with their tracebacks.

    Raises
    ------
    SystemExit
        With code 1 after a RecipeError or an OSError (disk full, no permission), with 128 and the
        number of the signal, as shells do, after a signal: 130 after Ctrl-C, 138 after SIGUSR1.
    """
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(_say("\ninterrupted; the same command carries on", 130))
    except Stopped as stop:
        sys.exit(_say(str(stop), 128 + stop.number))
    except BrokenPipeError:  # e.g. `... | head`: the reader has what it wants
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (RecipeError, OSError) as error:
        if debug:
            raise
        sys.exit(_say(f"error: {' '.join(str(error).split())}", 1))


def _say(message, code):
    if message:
        print(message, file=sys.stderr)
    return code

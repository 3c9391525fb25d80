"""One clear line for what a user can mend, a traceback only for those who ask.

Authors
 * The TinyVoxCeleb authors 2026
"""

import contextlib
import os
import sys


class RecipeError(Exception):
    """Something the user can mend: bad data, a bad option, a missing file.

    The message names the file, line or key, what was found, what was expected and what to do.
    """


@contextlib.contextmanager
def one_line_errors(debug=False):
    """Turn errors that a user can mend into one line on stderr and exit code 1.

    Arguments
    ---------
    debug : bool
        Let the exception through, with its traceback.

    Raises
    ------
    SystemExit
        With code 1 after a RecipeError or an OSError (disk full, no permission), with code 130,
        as shells do, after Ctrl-C.
    """
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(_say("\ninterrupted; the same command carries on", 130))
    except BrokenPipeError:  # e.g. `... | head`: the reader has what it wants
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (RecipeError, OSError) as error:
        if debug:
            raise
        sys.exit(_say(f"error: {' '.join(str(error).split())}", 1))


def _say(message, code):
    print(message, file=sys.stderr)
    return code

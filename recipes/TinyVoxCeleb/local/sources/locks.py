"""One process does it, the others wait: files that several processes of a machine want at once.

Authors
 * The TinyVoxCeleb authors 2026
"""

import contextlib
import fcntl
import sys
from pathlib import Path

from local.errors import RecipeError


@contextlib.contextmanager
def exclusive(path, waiting=None, busy=None):
    """Hold a lock while the block runs; it ends with the process too, however that ends.

    Arguments
    ---------
    path : str or Path
        The lock's file, which stays; missing parent folders are made.
    waiting : str, optional
        Said on stderr where another process holds the lock.
    busy : str, optional
        The error where another process holds the lock; without it, it is waited for.

    Yields
    ------
    None

    Raises
    ------
    RecipeError
        Another process holds the lock, and `busy` is given.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if busy:
                raise RecipeError(busy) from None
            if waiting:
                print(waiting, file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            # Some network file systems know no locks. Two processes may then do the same work;
            # as files appear complete or not at all, they do not spoil each other's.
            pass
        yield

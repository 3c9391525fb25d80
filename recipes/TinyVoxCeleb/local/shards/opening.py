"""Shards opened to be read from start to end, wherever they lie, packed or not."""

import gzip
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from local.errors import RecipeError
from local.shards import remote
from local.shards.fetching import local_copy
from local.shards.pipes import is_pipe, open_pipe
from local.shards.retrying import public

AT_ONCE = 16  # questions to a server


def can_be_mapped(shard):
    """Whether any place of a shard can be read at once: a local archive that is not packed.

    Arguments
    ---------
    shard : Path or str
        From `list_shards`.

    Returns
    -------
    bool
    """
    return isinstance(shard, Path) and shard.suffix == ".tar"


def stamp(shard):
    """A text that differs once a shard has changed, found without reading it.

    Arguments
    ---------
    shard : Path or str
        From `list_shards`.

    Returns
    -------
    str
        Of size and time for a local file, of what the server tells for a remote one; "" for
        a command, whose output nobody knows.

    Raises
    ------
    RecipeError
        The shard is not there, or may not be read.
    """
    if is_pipe(shard):
        return ""
    if isinstance(shard, Path):
        try:
            state = shard.stat()
        except OSError as error:
            raise RecipeError(f"{shard}: cannot be read ({error.strerror})") from None
        return f"{state.st_size} {state.st_mtime_ns}"
    return remote.stamp(shard)


def stamps(shards):
    """The `stamp` of each shard; a server is asked for several at a time.

    Arguments
    ---------
    shards : list of Path and str

    Returns
    -------
    list of str
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(stamp, shards))


def open_shard(shard, cache=None, stamp=None):
    """Open a shard to read it once, from its start to its end.

    Arguments
    ---------
    shard : Path or str
        From `list_shards`.
    cache : str or Path, optional
        Folder for copies of remote shards: one is fetched there completely before it is read, and
        is read from there as long as the server's does not change.
    stamp : str, optional
        Of the version that is meant. No other one is read, and for a copy of it nobody is asked.

    Returns
    -------
    file object
        Binary, a context manager. It gives the bytes of the archive, unpacked where it is packed.
        Its reads raise a RecipeError in one line: the shard, what happened, what to do.
    """
    near = bring_near(shard, cache, stamp)
    if isinstance(near, Path):
        opened = _open_local(near, stamp if near == shard else None)
    elif is_pipe(near):
        opened = open_pipe(near)
    else:
        opened = remote.open_remote(near, stamp)
    try:
        packed = opened.peek(2)[:2] == b"\x1f\x8b"
    except BaseException:
        opened.close()
        raise
    return _Unpacked(opened, shard) if packed else opened


def bring_near(shard, cache=None, stamp=None):
    """A shard as it is read best: the copy of a remote one, once it is complete.

    Arguments
    ---------
    shard, cache, stamp
        See `open_shard`.

    Returns
    -------
    Path or str
        A local archive, which can be mapped unless it is packed; without `cache` the shard itself.
    """
    if isinstance(shard, Path) or not cache:
        return shard
    return local_copy(shard, cache, stamp)


def read_to_the_end(file):
    """Read what is left of a stream, at whose end stand a checksum or a command's exit code.

    Arguments
    ---------
    file : file object
        From `open_shard`.

    Raises
    ------
    RecipeError
        The archive is damaged, or the command has failed.
    """
    while file.read(1 << 20):
        pass


class _Unpacked(gzip.GzipFile):
    """What a packed archive unpacks to; says which one is damaged."""

    def __init__(self, packed, shard):
        super().__init__(fileobj=packed, mode="rb")
        self.packed = packed
        self.shard = shard

    def read(self, size=-1):
        try:
            return super().read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise RecipeError(
                f"{public(str(self.shard))}: truncated or damaged archive ({error}); copy it again"
            ) from None

    def close(self):
        super().close()
        self.packed.close()


def _open_local(path, expected=None):
    if expected is not None and stamp(path) != expected:
        raise RecipeError(f"{path}: has changed meanwhile; run the command again")
    try:
        return open(path, "rb")
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror})") from None

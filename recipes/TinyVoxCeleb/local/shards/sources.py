"""Where shards come from: folders, web servers, object stores, commands; packed or not.

Authors
 * The TinyVoxCeleb authors 2026
"""

import gzip
import re
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import braceexpand

from local.errors import RecipeError
from local.shards import remote
from local.shards.fetching import local_copy, shard_name
from local.shards.pipes import is_pipe, open_pipe
from local.shards.retrying import shown

PACKED = (".tar.gz", ".tgz")
ARCHIVES = (".tar", *PACKED)
AT_ONCE = 16  # questions to a server


def list_shards(source):
    """The shards of one split, in their order.

    Arguments
    ---------
    source : str or Path
        A folder that holds shard-*.tar (or .tar.gz, .tgz), here or at a URL that can be listed; a
        file or a URL with such an ending; ``pipe:command``. Braces stand for several of them:
        ``https://host/train/shard-{000000..000003}.tar``.

    Returns
    -------
    list of Path and str
        Path for what lies in a local folder, str for all others.

    Raises
    ------
    RecipeError
        There are none.

    Example
    -------
    >>> list_shards("s3://bucket/train/shard-{000008..000010}.tar")[1:]
    ['s3://bucket/train/shard-000009.tar', 's3://bucket/train/shard-000010.tar']
    """
    shards = []
    for one in _expanded(source):
        if is_pipe(one):
            shards.append(one)
        elif _is_url(one):
            shards += _list_url(one)
        else:
            shards += _list_local(Path(re.sub("^file://", "", str(one))))
    return shards


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
                f"{shown(str(self.shard))}: truncated or damaged archive ({error}); copy it again"
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


def _expanded(source):
    text = str(source)
    local = not (is_pipe(text) or _is_url(text))
    if isinstance(source, Path) or (local and Path(text).exists()):
        return [text]  # a folder's name may hold braces
    try:
        return list(braceexpand.braceexpand(text))
    except braceexpand.UnbalancedBracesError:
        raise RecipeError(f"{text}: expected as many {{ as }} in a list of shards") from None


def _is_url(text):
    return "://" in str(text) and not str(text).startswith("file://")


def _list_local(path):
    if path.name.endswith(ARCHIVES) and not path.is_dir():
        if not path.is_file():
            raise RecipeError(f"{path}: no such shard; check the folder and the numbers")
        return [path]
    shards = sorted(found for found in path.glob("shard-*") if found.name.endswith(ARCHIVES))
    if not shards:
        found = "holds none" if path.is_dir() else "does not exist"
        raise RecipeError(f"{path}: expected shards named shard-*.tar, but the folder {found}")
    return shards


def _list_url(url):
    if shard_name(url).endswith(ARCHIVES):
        return [url]
    shards = sorted(
        {
            link
            for link in remote.list_links(url)
            if re.fullmatch(r"shard-.*\.(tar|tar\.gz|tgz)", shard_name(link))
        }
    )
    if not shards:
        raise RecipeError(
            f"{shown(url)}: expected shards named shard-*.tar, but the folder's listing has none; "
            "where a server lists no folders, name them: …/shard-{000000..000003}.tar"
        )
    return shards

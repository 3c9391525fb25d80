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
    return isinstance(shard, Path) and not shard.name.endswith(PACKED)


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
    size, tag = remote.describe(shard)
    return f"{size} {tag}"


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


def open_shard(shard, cache=None, check=True):
    """Open a shard to read it once, from its start to its end.

    Arguments
    ---------
    shard : Path or str
        From `list_shards`.
    cache : str or Path, optional
        Folder for copies of remote shards: one is fetched there completely before it is read, and
        is read from there later on.
    check : bool
        Ask the server whether a copy is still what it has; otherwise no copy is asked about.

    Returns
    -------
    file object
        Binary, a context manager. It gives the bytes of the archive, unpacked where it is packed.
        Its reads raise a RecipeError in one line: the shard, what happened, what to do.
    """
    if isinstance(shard, Path):
        opened = _open_local(shard)
    elif cache:
        opened = _open_local(local_copy(shard, cache, check))
    elif is_pipe(shard):
        opened = open_pipe(shard)
    else:
        opened = remote.open_remote(shard)
    try:
        packed = opened.peek(2)[:2] == b"\x1f\x8b"
    except BaseException:
        opened.close()
        raise
    return _Unpacked(opened, shard) if packed else opened


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


def _open_local(path):
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

"""Remote shards on the local disk: each is fetched once, and again when it has changed.

Authors
 * The TinyVoxCeleb authors 2026
"""

import hashlib
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from local.errors import RecipeError
from local.shards.copying import check_space, copy_verified, progress_bar
from local.shards.locks import exclusive
from local.shards.pipes import is_pipe, open_pipe
from local.shards.remote import describe, open_remote
from local.shards.retrying import shown


def local_copy(url, folder, check=True):
    """Where a remote shard lies on the disk, once it has been fetched completely.

    Several processes may ask for the same shard: one fetches it, the others wait.

    Arguments
    ---------
    url : str
    folder : str or Path
        Of the copies. Their names tell the address and the version.
    check : bool
        Ask the server whether the shard has changed. Otherwise any copy will do.

    Returns
    -------
    Path

    Raises
    ------
    RecipeError
        The shard cannot be read, changes while it is read, or does not fit on the disk.
    """
    folder = Path(folder)
    address = hashlib.sha256(url.encode()).hexdigest()[:12]
    if not check and (copies := _copies(folder, address)):
        return copies[-1]
    size, version = _version(url)
    place = folder / f"{address}-{version}-{shard_name(url)}"
    if place.exists():
        return place
    try:
        with exclusive(folder / f".{address}.lock"):
            if not place.exists():  # another process may have fetched it meanwhile
                _fetch(url, place, size, version)
            for old in _copies(folder, address):
                if old != place:
                    old.unlink(missing_ok=True)
    except OSError as error:
        raise RecipeError(
            f"{folder}: shards cannot be kept there ({error.strerror or error}); choose another "
            "folder"
        ) from None
    return place


def _fetch(url, place, size, version):
    check_space(place.parent, size or 0)
    name = shard_name(url)
    opened = open_pipe(url) if is_pipe(url) else open_remote(url)
    with opened as source, progress_bar(size, f"fetching {name}") as bar:
        copy_verified(source, place, bar.update)
    if _version(url)[1] != version:
        place.unlink()
        raise RecipeError(f"{shown(url)}: changed while it was fetched; run the command again")


def _version(url):
    size, tag = (None, "") if is_pipe(url) else describe(url)
    return size, hashlib.sha256(f"{size} {tag}".encode()).hexdigest()[:12]


def _copies(folder, address):
    return sorted(folder.glob(f"{address}-*"), key=lambda path: path.stat().st_mtime_ns)


def shard_name(url):
    """The file name in a shard's address.

    Example
    -------
    >>> shard_name("https://host/train/shard-000000.tar.gz?version=2")
    'shard-000000.tar.gz'
    """
    if is_pipe(url):
        return "pipe.tar"
    return PurePosixPath(unquote(urlsplit(url).path)).name

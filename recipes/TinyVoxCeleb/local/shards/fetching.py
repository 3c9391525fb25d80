"""Remote shards on the local disk: each is fetched once, and again when it has changed."""

import hashlib
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from local.errors import RecipeError
from local.files import exclusive
from local.shards.copying import check_archive, check_space, copy_verified, progress_bar
from local.shards.pipes import is_pipe, open_pipe
from local.shards.remote import describe, open_remote
from local.shards.retrying import public


def local_copy(url, folder, stamp=None):
    """Where a remote shard lies on the disk, once it has been fetched completely.

    Several processes may ask for the same shard: one fetches it, the others wait.

    Arguments
    ---------
    url : str
    folder : str or Path
        Of the copies. Their names tell the address and the version.
    stamp : str, optional
        Of the version that is meant; without it the server is asked for that which it has.

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
    size, stamp = (None, stamp) if stamp is not None else _describe(url)
    version = hashlib.sha256(stamp.encode()).hexdigest()[:12]
    place = folder / f"{address}-{version}-{shard_name(url)}"
    if place.exists():
        return place
    try:
        with exclusive(folder / f".{address}.lock"):
            if not place.exists():  # another process may have fetched it meanwhile
                _fetch(url, place, size, stamp)
            for old in folder.glob(f"{address}-*"):
                if old != place:
                    old.unlink(missing_ok=True)
    except OSError as error:
        raise RecipeError(
            f"{folder}: shards cannot be kept there ({error.strerror or error}); choose another "
            "folder"
        ) from None
    return place


def _fetch(url, place, size, stamp):
    check_space(place.parent, size or 0)
    opened = open_pipe(url) if is_pipe(url) else open_remote(url, stamp)
    with opened as source, progress_bar(size, f"fetching {shard_name(url)}") as bar:
        copy_verified(source, place, bar.update)
    check_archive(place, url)
    if _describe(url)[1] != stamp:
        place.unlink()
        raise RecipeError(f"{public(url)}: changed while it was fetched; run the command again")


def _describe(url):
    return (None, "") if is_pipe(url) else describe(url)


def shard_name(url):
    """The file name in a shard's address.

    Example
    -------
    >>> shard_name("https://host/train/shard-000000.tar.gz?version=2")
    'shard-000000.tar.gz'
    """
    if is_pipe(url):
        return "output"  # whether it is packed, its content tells
    return PurePosixPath(unquote(urlsplit(url).path)).name

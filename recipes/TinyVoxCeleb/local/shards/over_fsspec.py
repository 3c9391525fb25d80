"""Shards in an object store, or wherever else fsspec reaches: what lies there, and streams."""

import contextlib

import fsspec

from local.errors import RecipeError
from local.shards.retrying import public

BLOCK_SIZE = 8 << 20  # bytes asked for at a time
TAGS = ("ETag", "etag", "md5Hash", "LastModified", "last_modified", "updated", "mtime")
PERMANENT = ("FileNotFoundError", "PermissionError", "IsADirectoryError", "ClientError")
# botocore's, by name, as it is there only where s3fs is
CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound")


def describe(url):
    """The size of a file and a tag that changes with it, as the store tells.

    Arguments
    ---------
    url : str

    Returns
    -------
    (int or None, str)

    Raises
    ------
    RecipeError
        No such file, no access, no credentials, an unknown kind of URL.
    OSError
        The store does not answer as it should; it may later.
    """
    with _translated(url):
        system, path = _locate(url)
        info = system.info(path)
    return info.get("size"), _tag(info)


def list_links(url):
    """The URLs of what lies in a folder.

    Arguments
    ---------
    url : str

    Returns
    -------
    list of str

    Raises
    ------
    RecipeError, OSError
        As `describe`.
    """
    with _translated(url):
        system, path = _locate(url)
        return [system.unstrip_protocol(name) for name in system.ls(path, detail=False)]


class FsspecBody:
    """The content of a file from a byte on, read in blocks of `BLOCK_SIZE`.

    Arguments
    ---------
    url : str
    offset : int
        Of the first byte.
    tag : str, optional
        Of the file that has been read so far.

    Raises
    ------
    RecipeError, OSError
        As `describe`; another tag.
    """

    def __init__(self, url, offset=0, tag=None):
        self.url = url
        with _translated(url):
            system, path = _locate(url)
            self.tag = _tag(system.info(path))
            if tag is not None and self.tag != tag:
                raise RecipeError(
                    f"{public(url)}: changed while it was read; run the command again"
                )
            self.file = system.open(path, "rb", block_size=BLOCK_SIZE, cache_type="readahead")
            self.file.seek(offset)

    def readinto(self, buffer):
        """Fill a buffer with what comes next; returns the number of bytes, 0 at the end."""
        with _translated(self.url):
            content = self.file.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def close(self):
        """Close the file."""
        self.file.close()


def _tag(info):
    return next((str(info[key]) for key in TAGS if info.get(key)), "")


def _locate(url):
    try:
        # A listing that was kept would hide that a file has changed.
        return fsspec.core.url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        scheme = url.split("://")[0]
        package = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "abfs": "adlfs"}.get(scheme)
        how = f"pip install {package}" if package else str(error)
        raise RecipeError(f"{public(url)}: a package for {scheme}:// is missing: {how}") from None


@contextlib.contextmanager
def _translated(url):
    """RecipeError for what stays as it is, OSError for what may pass."""
    try:
        yield
    except RecipeError:
        raise
    except Exception as error:  # each file system raises kinds of its own
        kind, words = type(error).__name__, " ".join(str(error).split())
        where = public(url)
        if kind in CREDENTIALS:
            raise RecipeError(
                f"{where}: no credentials ({words}); set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or run `aws configure`"
            ) from None
        if kind == "FileNotFoundError":
            raise RecipeError(f"{where}: there is nothing at this address: check it") from None
        if kind == "PermissionError":
            raise RecipeError(
                f"{where}: access is denied ({words}): check the address and your rights there"
            ) from None
        if kind in PERMANENT or isinstance(error, ValueError):
            raise RecipeError(f"{where}: cannot be read ({kind}: {words})") from None
        raise OSError(f"{kind}: {words}") from None

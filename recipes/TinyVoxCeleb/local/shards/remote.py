"""Shards that are not on this machine, read through fsspec: web servers, object stores, others.

A network fails now and then: what is asked is asked again, a little later each time, and a stream
whose connection drops goes on at the byte where it stopped.
"""

import contextlib
import html
import io
import itertools
import logging
import os
import random
import re
import time

import fsspec

from local.errors import RecipeError
from local.shards.addresses import public

FIRST_DELAY = 0.5  # seconds before the second attempt; each further one waits twice as long
ATTEMPTS = 6  # in vain one after the other: 15 s of waiting in all
TIMEOUT = (10, 60)  # seconds for a web server, to connect and between two packets
READ_AT_ONCE = 1 << 20  # bytes
BLOCK_SIZE = 8 << 20  # bytes asked for at a time, of a store
# What servers and file systems call that which changes with a file.
TAGS = ("ETag", "etag", "md5Hash", "Last-Modified", "LastModified", "last_modified", "updated")
TAGS += ("mtime",)
PERMANENT = ("FileNotFoundError", "PermissionError", "IsADirectoryError", "ClientError")
# botocore's, by name, as it is there only where s3fs is
CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound")
STATUS = {
    401: "it wants a name and a password: a line in ~/.netrc",
    403: "access is denied: check the address and your rights there",
    404: "there is nothing at this address: check it",
    416: "it has become shorter while it was read: run the command again",
}

logger = logging.getLogger(__name__)


class NotReached(RecipeError):  # noqa: N818 - of the server
    """A server that does not answer as it should, however often it is asked."""


def remote_stamp(url: str) -> str:
    """The size of a file ("?" if unknown) and, after a blank, a tag that changes with the file."""
    info = _ask(url, lambda system, path: system.info(path))
    size = info.get("size")
    return f"{'?' if size is None else size} {_tag(info)}"


def list_links(url: str) -> list[str]:
    """The URLs of what lies in a folder, or of what its listing on a web server links to."""

    def ask(system, path):
        return [system.unstrip_protocol(name) for name in system.ls(path, detail=False)]

    ending = "/" if _is_web(url) and not url.endswith("/") else ""
    return list(map(html.unescape, _ask(url, ask, ending)))


def open_remote(url: str, stamp: str | None = None) -> io.BufferedReader:
    """Open a file to read it from its start to its end.

    It is a RecipeError if it is not, or no longer, of the version with this `remote_stamp`.
    """
    return io.BufferedReader(_Stream(url, stamp), READ_AT_ONCE)


def _ask(url, question, ending=""):
    def attempt():
        with _translated(url + ending):
            return question(*_locate(url + ending))

    return _with_retries(url, attempt)


def _with_retries(url, action):
    """Do something until it goes well; an OSError is a trouble that may pass."""
    for attempt in itertools.count(1):
        try:
            return action()
        except OSError as error:
            reason = _words(error)
        if attempt == ATTEMPTS:
            raise NotReached(
                f"{public(url)}: cannot be read, after {ATTEMPTS} attempts: {reason}; check the "
                "address and the server, then run the same command again"
            )
        delay = FIRST_DELAY * 2 ** (attempt - 1)
        logger.warning(
            f"{public(url)}: {reason}; attempt {attempt + 1} of {ATTEMPTS} in {delay:g} s"
        )
        # Not a seeded generator of the training. Readers are not to come back in the same moment.
        time.sleep(delay * random.SystemRandom().uniform(0.75, 1))


class _Stream(io.RawIOBase):
    """A file read from its start to its end, over as many connections as that takes."""

    def __init__(self, url, stamp):
        self.url = url
        self.tag = None if stamp is None else stamp.partition(" ")[2]
        self.offset = 0
        self.file = None

    def readable(self):
        return True

    def readinto(self, buffer):
        content = _with_retries(self.url, lambda: self._read(len(buffer)))
        buffer[: len(content)] = content
        self.offset += len(content)
        return len(content)

    def _read(self, size):
        try:
            if self.file is None:
                self._connect()
            try:
                with _translated(self.url):
                    return self.file.read(size)
            except OSError as error:
                raise OSError(f"the connection has dropped ({error})") from None
        except BaseException:
            self._disconnect()
            raise

    def _connect(self):
        with _translated(self.url):
            system, path = _locate(self.url)
            if _is_web(self.url):
                self.file, tag, start = _open_web(system, path, self.offset)
            else:
                tag = _tag(system.info(path))
                self.file = system.open(path, "rb", block_size=BLOCK_SIZE, cache_type="readahead")
                start = self.file.seek(self.offset)
        if self.tag not in (None, tag) or start > self.offset:
            raise RecipeError(
                f"{public(self.url)}: changed while it was read; run the command again"
            )
        self.tag = tag
        with _translated(self.url):
            while start < self.offset:
                dropped = len(self.file.read(min(self.offset - start, READ_AT_ONCE)))
                if not dropped:
                    raise OSError(f"only {start} bytes where there were {self.offset} before")
                start += dropped

    def _disconnect(self):
        if self.file is not None:
            self.file.close()
        self.file = None

    def close(self):
        self._disconnect()
        super().close()


def _is_web(url):
    return url.startswith(("http://", "https://"))


def _locate(url):
    # A listing that was kept would hide that a file has changed.
    options = {"use_listings_cache": False}
    if _is_web(url):
        connect, read = TIMEOUT
        options |= {
            "get_client": _make_client,
            "client_kwargs": {"connect": connect, "read": read},
            "simple_links": False,
            # A process that is forked would take a second to close the connections it inherits.
            "skip_instance_cache": True,
        }
    try:
        return fsspec.core.url_to_fs(url, **options)
    except ImportError as error:
        scheme = url.split("://")[0]
        package = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "abfs": "adlfs"}.get(scheme)
        how = f"pip install {package}" if package else str(error)
        raise RecipeError(f"{public(url)}: a package for {scheme}:// is missing: {how}") from None


async def _make_client(*, loop, connect, read):
    import aiohttp  # here, as most trainings need none

    return aiohttp.ClientSession(
        loop=loop,
        connector=aiohttp.TCPConnector(force_close=True),  # none that a forked process shares
        timeout=aiohttp.ClientTimeout(sock_connect=connect, sock_read=read),  # not of a whole file
        trust_env=True,  # ~/.netrc and proxies
        # Nothing is held back from the reader that would be lost with a connection that drops.
        read_bufsize=0,
    )


def _open_web(system, url, offset):
    """One connection from a byte on, or from the beginning where the server cannot do that."""
    # Archives are wanted as they are: no compression on the way.
    headers = {"Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    # Without blocks it is one stream; any size spares the question for it.
    file = system.open(url, "rb", block_size=0, size=1, headers=headers)
    start = 0
    if file.r.status == 206:
        found = re.match(r"bytes (\d+)-", file.r.headers.get("Content-Range", ""))
        if not found:
            raise OSError("the server sends a part without saying which")
        start = int(found[1])
    return file, _tag(file.r.headers), start


def _tag(info):
    return next((str(info[key]) for key in TAGS if info.get(key)), "")


@contextlib.contextmanager
def _translated(url):
    """RecipeError for what stays as it is, OSError for what may pass."""
    try:
        yield
    except RecipeError:
        raise
    except Exception as error:  # each file system raises kinds of its own
        raise _translate_web(url, error) if _is_web(url) else _translate(url, error) from None


def _translate_web(url, error):
    if isinstance(error, FileNotFoundError) and not error.__cause__:
        status, reason = 404, "Not Found"
    else:
        while error.__cause__:  # fsspec says FileNotFoundError of everything
            error = error.__cause__
        status, reason = getattr(error, "status", None), getattr(error, "message", "")
    if status is None:
        return _translate(url, error)
    if status >= 500 or status in (408, 425, 429):
        return OSError(f"the server answers {status} {reason}")
    what = STATUS.get(status, "check the address")
    return RecipeError(f"{public(url)}: the server answers {status} {reason}; {what}")


def _translate(url, error):
    kind, words, where = type(error).__name__, _words(error), public(url)
    if kind in CREDENTIALS:
        return RecipeError(
            f"{where}: no credentials ({words}); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "or run `aws configure`"
        )
    if kind == "FileNotFoundError":
        return RecipeError(f"{where}: there is nothing at this address: check it")
    if kind == "PermissionError":
        return RecipeError(
            f"{where}: access is denied ({words}): check the address and your rights there"
        )
    if kind in PERMANENT or isinstance(error, ValueError):
        return RecipeError(f"{where}: cannot be read ({kind}: {words})")
    return OSError(words if isinstance(error, OSError) else f"{kind}: {words}")


def _words(error):
    number = getattr(error, "errno", None)
    if isinstance(number, int) and number > 0:
        return os.strerror(number)
    return " ".join(str(error).split()) or type(error).__name__

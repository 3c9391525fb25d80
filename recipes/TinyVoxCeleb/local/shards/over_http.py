"""Shards on a web server: what lies there, and streams that begin at any byte.

Plain blocking requests: they also work in the forked workers of a DataLoader.
"""

import html
import re
from http import HTTPStatus
from urllib.parse import urldefrag, urljoin

import requests
import urllib3

from local.errors import RecipeError
from local.shards.retrying import public

TIMEOUT = (10, 60)  # seconds, to connect and between two packets
DROPPED_AT_ONCE = 1 << 20  # bytes read at a time to get to where a stream goes on


def describe(url):
    """The size of a file and a tag that changes with it, as its headers tell.

    Arguments
    ---------
    url : str

    Returns
    -------
    (int or None, str)

    Raises
    ------
    RecipeError
        There is no such file, or access is denied.
    OSError
        The server does not answer as it should; it may later.
    """
    response = _request("HEAD", url)
    if response.status_code in (403, 405, 501):  # some servers, and signed URLs, only allow GET
        response.close()
        response = _request("GET", url)
    with response:
        _check(url, response)
        return _size(response), _tag(response)


def list_links(url):
    """The addresses that the listing of a folder links to.

    Arguments
    ---------
    url : str
        Of a folder.

    Returns
    -------
    list of str

    Raises
    ------
    RecipeError, OSError
        As `describe`.
    """
    folder = url if url.endswith("/") else f"{url}/"
    with _request("GET", folder) as response:
        _check(folder, response)
        try:
            text = response.text
        except requests.RequestException as error:
            raise OSError(_reason(error)) from None
    links = re.findall(r"""<a\s[^>]*?href\s*=\s*["']([^"']+)["']""", text, flags=re.IGNORECASE)
    return [urldefrag(urljoin(folder, html.unescape(link))).url for link in links]


class HttpBody:
    """The content of a file from a byte on, over one connection.

    Arguments
    ---------
    url : str
    offset : int
        Of the first byte. A server that cannot begin there sends all, and what comes before it is
        read and dropped.
    tag : str, optional
        Of the file that has been read so far.

    Raises
    ------
    RecipeError
        There is no such file, access is denied, or its tag is another.
    OSError
        The connection cannot be made, or has dropped.
    """

    def __init__(self, url, offset=0, tag=None):
        self.url = url
        self.response = _request("GET", url, {"Range": f"bytes={offset}-"} if offset else {})
        try:
            _check(url, self.response)
            self.tag = _tag(self.response)
            start = _start(self.response)
            changed = tag is not None and self.tag != tag
            if changed or start > offset:
                raise RecipeError(
                    f"{public(url)}: changed while it was read; run the command again"
                )
            while start < offset:
                dropped = len(self._read(min(offset - start, DROPPED_AT_ONCE)))
                if not dropped:
                    raise OSError(f"only {start} bytes where there were {offset} before")
                start += dropped
        except BaseException:
            self.close()
            raise

    def readinto(self, buffer):
        """Fill a buffer with what comes next; returns the number of bytes, 0 at the end."""
        content = self._read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def _read(self, size):
        try:
            # What has come is passed on at once: nothing of it is lost with the connection.
            return self.response.raw.read1(size)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise OSError(f"the connection has dropped ({_reason(error)})") from None

    def close(self):
        """Close the connection."""
        self.response.close()


def _request(method, url, headers=None):
    # Archives are wanted as they are: no compression on the way, no unpacking on arrival.
    headers = {"Accept-Encoding": "identity", **(headers or {})}
    try:
        return requests.request(
            method, url, headers=headers, stream=True, timeout=TIMEOUT, allow_redirects=True
        )
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
        raise RecipeError(f"{public(url)}: not an address ({error})") from None
    except requests.RequestException as error:
        raise OSError(_reason(error)) from None


def _check(url, response):
    status = response.status_code
    if status in (200, 206):
        return
    answer = f"{status} {response.reason}"
    if status >= 500 or status in (408, 425, 429):
        raise OSError(f"the server answers {answer}")
    what = {
        401: "it wants a name and a password: a line in ~/.netrc",
        403: "access is denied: check the address and your rights there",
        404: "there is nothing at this address: check it",
        416: "it has become shorter while it was read: run the command again",
    }.get(status, "check the address")
    raise RecipeError(f"{public(url)}: the server answers {answer}; {what}")


def _start(response):
    if response.status_code != HTTPStatus.PARTIAL_CONTENT:
        return 0
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if not found:
        raise OSError("the server sends a part without saying which")
    return int(found[1])


def _size(response):
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None


def _tag(response):
    headers = response.headers
    return headers.get("ETag") or headers.get("Last-Modified") or ""


def _reason(error):
    """The system's words for what went wrong, which libraries wrap several times."""
    innermost = error
    while innermost.__cause__ or innermost.__context__:
        innermost = innermost.__cause__ or innermost.__context__
    return getattr(innermost, "strerror", None) or str(innermost) or type(innermost).__name__

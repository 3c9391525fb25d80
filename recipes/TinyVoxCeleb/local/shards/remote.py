"""Shards that are not on this machine: what lies at an address, and reading it as a stream.

Web servers are read by plain requests, all other kinds of address through fsspec.
"""

import io

from local.shards import over_fsspec, over_http
from local.shards.retrying import RetryingStream, with_retries

BUFFER_SIZE = 1 << 20  # bytes read at a time


def describe(url):
    """The size of a file and its stamp.

    Arguments
    ---------
    url : str

    Returns
    -------
    (int or None, str)
        None where the server does not tell the size.

    Raises
    ------
    RecipeError
        It cannot be read: one line with the URL, what happened and what to do.
    """
    size, tag = with_retries(url, lambda: _transport(url).describe(url))
    return size, f"{'?' if size is None else size} {tag}"


def stamp(url):
    """A text that differs once a file has changed, as far as the server tells.

    Arguments
    ---------
    url : str

    Returns
    -------
    str
    """
    return describe(url)[1]


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
    RecipeError
        It cannot be listed.
    """
    return with_retries(url, lambda: _transport(url).list_links(url))


def open_remote(url, expected=None):
    """Open a file to read it from its start to its end.

    A connection that drops is made again, and reading goes on at the byte where it stopped.

    Arguments
    ---------
    url : str
    expected : str, optional
        The stamp of the version that is meant; without it any will do.

    Returns
    -------
    io.BufferedReader
        Its reads raise a RecipeError after the last attempt, or where the file has changed.
    """
    body_class = over_http.HttpBody if _is_web(url) else over_fsspec.FsspecBody
    tag = None if expected is None else expected.partition(" ")[2]

    def connect(offset):
        nonlocal tag
        body = body_class(url, offset, tag)
        tag = body.tag
        return body

    return io.BufferedReader(RetryingStream(url, connect), BUFFER_SIZE)


def _transport(url):
    return over_http if _is_web(url) else over_fsspec


def _is_web(url):
    return url.startswith(("http://", "https://"))

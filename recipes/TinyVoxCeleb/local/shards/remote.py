"""Shards that are not on this machine: what lies at an address, and reading it as a stream.

Web servers are read by plain requests, all other kinds of address through fsspec.

Authors
 * The TinyVoxCeleb authors 2026
"""

import io

from local.shards import over_fsspec, over_http
from local.shards.retrying import RetryingStream, with_retries

BUFFER_SIZE = 1 << 20  # bytes read at a time


def describe(url):
    """The size of a file and a tag that changes with it.

    Arguments
    ---------
    url : str

    Returns
    -------
    (int or None, str)
        None and "" where the server does not tell.

    Raises
    ------
    RecipeError
        It cannot be read: one line with the URL, what happened and what to do.
    """
    return with_retries(url, lambda: _transport(url).describe(url))


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


def open_remote(url):
    """Open a file to read it from its start to its end.

    A connection that drops is made again, and reading goes on at the byte where it stopped.

    Arguments
    ---------
    url : str

    Returns
    -------
    io.BufferedReader
        Its reads raise a RecipeError after the last attempt.
    """
    body_class = over_http.HttpBody if _is_web(url) else over_fsspec.FsspecBody
    tag = None

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

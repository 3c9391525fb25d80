"""What shards and their sources are called: paths, URLs, lists in braces, commands."""

import os
import re
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import braceexpand

from local.errors import RecipeError
from local.files import split_paths

PACKED = (".tar.gz", ".tgz")
ARCHIVES = (".tar", *PACKED)


def split_sources(source: str | Path) -> list[str | Path]:
    """The sources of one set of shards, which commas separate.

    Commas within braces, within a command and in the name of what exists separate nothing.

    Example
    -------
    >>> split_sources("shards/train,https://host/shard-{0,1}.tar")
    ['shards/train', 'https://host/shard-{0,1}.tar']
    """
    if isinstance(source, Path) or is_pipe(source) or os.path.exists(source):
        return [source]
    return split_paths(source)


def expand_braces(source: str | Path) -> list[str]:
    """The sources that a list in braces stands for; those of a command or a URL, too."""
    text = str(source)
    if isinstance(source, Path) or (is_local(text) and os.path.exists(text)):
        return [text]  # a folder's name may hold braces
    try:
        return list(braceexpand.braceexpand(text))
    except braceexpand.UnbalancedBracesError:
        raise RecipeError(f"{text}: expected as many {{ as }} in a list of shards") from None


def is_pipe(source: str | Path) -> bool:
    """Whether a source is a command that writes a shard to its standard output."""
    return str(source).startswith("pipe:")


def is_local(source: str | Path) -> bool:
    """Whether a source is a path on this machine, or a file: URL of one."""
    text = str(source)
    return not is_pipe(text) and ("://" not in text or text.startswith("file://"))


def shard_name(shard: Path | str) -> str:
    """The file name of a shard, "output" for that of a command.

    Example
    -------
    >>> shard_name("https://host/train/shard-000000.tar.gz?version=2")
    'shard-000000.tar.gz'
    """
    if isinstance(shard, Path):
        return shard.name
    return "output" if is_pipe(shard) else PurePosixPath(unquote(urlsplit(shard).path)).name


def public(source: str | Path) -> str:
    """A source for messages: without a URL's password, and its query, as that may be a signature.

    Example
    -------
    >>> public("https://me:secret@host/shard-000000.tar?signature=secret")
    'https://host/shard-000000.tar'
    """
    return str(source) if is_pipe(source) else re.sub(r"(?<=://)[^/@]*@|\?.*", "", str(source))

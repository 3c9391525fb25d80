"""Where shards are found: in folders, on web servers, in object stores, behind commands."""

import itertools
import re
from pathlib import Path

import braceexpand

from local.errors import RecipeError
from local.shards import remote
from local.shards.fetching import shard_name
from local.shards.pipes import is_pipe
from local.shards.retrying import public

PACKED = (".tar.gz", ".tgz")
ARCHIVES = (".tar", *PACKED)


def list_shards(source):
    """The shards of one split, in their order.

    Arguments
    ---------
    source : str or Path
        A folder that holds shard-*.tar (or .tar.gz, .tgz), here or at a URL that can be listed; a
        file or a URL with such an ending; ``pipe:command``. Braces stand for several of them:
        ``https://host/train/shard-{000000..000003}.tar``; so do commas, see `split_sources`.

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
    for one in itertools.chain.from_iterable(map(_expanded, split_sources(source))):
        if is_pipe(one):
            shards.append(one)
        elif _is_url(one):
            shards += _list_url(one)
        else:
            shards += _list_local(Path(re.sub("^file://", "", str(one))))
    return shards


def split_sources(source):
    """The sources of one set of shards, which commas separate.

    Arguments
    ---------
    source : str or Path

    Returns
    -------
    list
        Commas within braces, within a command and in the name of what exists separate nothing.

    Example
    -------
    >>> split_sources("shards/train,https://host/shard-{0,1}.tar")
    ['shards/train', 'https://host/shard-{0,1}.tar']
    """
    if isinstance(source, Path) or is_pipe(source) or Path(source).exists():
        return [source]
    return re.split(r",(?![^{}]*\})", str(source))


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
            f"{public(url)}: expected shards named shard-*.tar, but the folder's listing has none; "
            "where a server lists no folders, name them: …/shard-{000000..000003}.tar"
        )
    return shards

"""Find the shards of a split in folders and at URLs, and what their manifests tell of them."""

from pathlib import Path

from local.errors import RecipeError
from local.shards.addresses import (
    ARCHIVES,
    expand_braces,
    is_local,
    is_pipe,
    public,
    shard_name,
    split_sources,
)
from local.shards.complete import MANIFEST, ManifestEntry, check_complete, read_manifests
from local.shards.remote import list_links, open_remote
from local.shards.sources import open_stored, stamp_of


def list_shards(source: str | Path) -> list[Path | str]:
    """The shards of one split, in their order.

    A source is a folder that holds shard-*.tar (or .tar.gz, .tgz), here or at a URL that can be
    listed; a file or a URL with such an ending; or ``pipe:command``. Braces stand for several of
    them: ``https://host/train/shard-{000000..000003}.tar``; so do commas, see `split_sources`.
    What lies in a local folder is given as Path, all others as str. That there are none, that they
    cannot be listed, or that a folder lacks some of them (see `check_complete`) is a RecipeError; a
    list is taken as it is.

    Example
    -------
    >>> list_shards("s3://bucket/train/shard-{000008..000010}.tar")[1:]
    ['s3://bucket/train/shard-000009.tar', 's3://bucket/train/shard-000010.tar']
    """
    return find_shards(source)[0]


def find_shards(source: str | Path) -> tuple[list[Path | str], dict[Path | str, ManifestEntry]]:
    """The shards of one split, see `list_shards`, and what manifests tell of those that have one.

    The manifest of URLs is that of the folder's listing: of those that are named it is not asked.
    """
    shards, entries = [], {}
    for part in split_sources(source):
        for name in expand_braces(part):
            if is_pipe(name):
                found = [name], {}
            elif is_local(name):
                found = _list_local(Path(name.removeprefix("file://")))
            else:
                found = _list_url(name)
            shards += found[0]
            entries |= found[1]
    return shards, entries


def _list_local(path):
    try:
        return _list_folder(path)
    except OSError as error:
        raise RecipeError(
            f"{path}: cannot be read ({error.strerror}); make it a folder that you may list and "
            "enter, or name another"
        ) from None


def _list_folder(path):
    if path.name.endswith(ARCHIVES) and not path.is_dir():
        if not path.is_file():
            raise RecipeError(f"{path}: no such shard; check the folder and the numbers")
        shards, entries = [path], read_manifests([path])
    else:
        found = sorted(path.iterdir()) if path.is_dir() else []
        shards = [place for place in found if _is_shard(place.name)]
        others = [place.name for place in set(found) - set(shards) if not place.is_dir()]
        content = None
        if path / MANIFEST in found:
            with open_stored(path / MANIFEST) as file:
                content = file.read()
        entries = check_complete(path, shards, others, content)
        if not shards:
            found = "holds none" if path.is_dir() else "does not exist"
            raise RecipeError(f"{path}: expected shards named shard-*.tar, but the folder {found}")
    for shard, values in entries.items():
        values.check(shard, stamp_of(shard))
    return shards, entries


def _is_shard(name):
    return name.startswith("shard-") and name.endswith(ARCHIVES)


def _list_url(url):
    if shard_name(url).endswith(ARCHIVES):
        return [url], {}
    links = list_links(url)
    shards = sorted({link for link in links if _is_shard(shard_name(link))})
    others = [shard_name(link) for link in {*links} - {*shards} if not link.endswith("/")]
    entries = check_complete(url, shards, others, _read_manifest(links))
    if not shards:
        raise RecipeError(
            f"{public(url)}: expected shards named shard-*.tar, but the folder's listing has none; "
            "where a server lists no folders, name them: …/shard-{000000..000003}.tar"
        )
    return shards, entries


def _read_manifest(links):
    link = next((link for link in links if shard_name(link) == MANIFEST), None)
    if link is None:
        return None
    with open_remote(link) as file:
        return file.read()

"""The shards of one split, where a training wants them, and their index."""

import dataclasses
import hashlib
from pathlib import Path

from local.errors import RecipeError
from local.shards.addresses import is_local, split_sources
from local.shards.classes import separate_classes
from local.shards.copies import Copies, plan_copies
from local.shards.index import ShardIndex, index_shards
from local.shards.intact import check_holes
from local.shards.listing import find_shards
from local.shards.sources import can_be_mapped, stamps_of


def prepare_split(
    source: str | Path,
    split: str,
    index_folder: str | Path,
    *,
    stage_shards_to: str | Path = "",
    shard_cache: str | Path = "",
    mapped: bool = False,
) -> ShardIndex:
    """Bring the shards of a split near, if that is asked for or needed, and index them.

    Several sources (see `list_shards`) are joined. Every process is to call this: the first one
    asks the sources and indexes, one of each machine copies.

    Arguments
    ---------
    index_folder
        Keeps the index as <split>.npz.
    stage_shards_to
        A folder on a fast local disk to which the shards are copied first, unpacked; "" for none.
    shard_cache
        A folder for copies of remote shards as they are; "" leaves them where they are, and they
        are streamed from there in every epoch.
    mapped
        Shards have to be mapped: those that cannot be are copied in any case, and unpacked.
    """
    from local.processes import on_main, run_once_per_node  # torch takes a second to import

    staged = Path(stage_shards_to, split) if stage_shards_to else None
    cache = shard_cache or (index_folder if mapped else "")
    try:
        sources = split_sources(source)
        groups = on_main(_find, sources, staged, cache, mapped)
        shards, counts, entries = [], [], {}
        for group in groups:
            if isinstance(group, Copies):
                run_once_per_node(group.complete, [])
                shards += group.shards
                counts += group.counts
            else:
                shards += group[0]
                counts.append(len(group[0]))
                entries |= group[1]
        index = on_main(index_shards, shards, Path(index_folder) / f"{split}.npz", split, entries)
        on_main(check_holes, index)
        if any(isinstance(group, Copies) for group in groups):
            # Each machine has copies of its own, which were written at another time.
            index = dataclasses.replace(index, stamps=stamps_of(shards))
        return separate_classes(index, sources, counts)
    except RecipeError as error:
        raise RecipeError(f"{split}_shards: {error}") from None


def _find(sources, staged, cache, mapped):
    """For all sources together or for each: what is found, or the copies that are wanted."""
    if staged:
        return [plan_copies(sources, staged)]
    groups = []
    for source in sources:
        found = find_shards(source) if is_local(source) or not cache else None
        if found is None or (mapped and not all(map(can_be_mapped, found[0]))):
            name = hashlib.sha256(str(source).encode()).hexdigest()[:12]
            folder = Path(cache, f"{name}-unpacked" if mapped else name)
            groups.append(plan_copies([source], folder, unpacked=mapped))
        else:
            groups.append(found)
    return groups

"""The shards of one split, where a training wants them, and their index."""

import hashlib
from pathlib import Path

from local.errors import RecipeError
from local.processes import on_main, run_once_per_node
from local.shards.index import index_shards
from local.shards.joining import separate_classes
from local.shards.listing import list_shards, split_sources
from local.shards.opening import bring_near, can_be_mapped, stamps
from local.shards.staging import stage_shards


def prepare_split(source, split, index_folder, *, stage_shards_to="", shard_cache="", mapped=False):
    """Bring the shards of a split near, if that is asked for or needed, and index them.

    Every process is to call it: those of one machine copy once, those of all index once.

    Arguments
    ---------
    source : str
        See `list_shards`; several folders are joined, see `separate_classes`.
    split : str
        Such as "train".
    index_folder : str or Path
        Keeps the index as <split>.npz.
    stage_shards_to : str
        A folder on a fast local disk to which the shards are copied first; "" for none.
    shard_cache : str
        A folder for copies of remote shards, from where they are mapped; "" leaves them where they
        are, and they are streamed from there in every epoch.
    mapped : bool
        Shards have to be mapped: those that cannot be are copied in any case.

    Returns
    -------
    ShardIndex

    Raises
    ------
    RecipeError
        See `index_shards`, `bring_near`, `stage_shards` and `separate_classes`.
    """
    try:
        shards = _bring_near(source, split, index_folder, stage_shards_to, shard_cache, mapped)
        index = on_main(index_shards, shards, Path(index_folder) / f"{split}.npz", split)
        return separate_classes(index, split_sources(source))
    except RecipeError as error:
        raise RecipeError(f"{split}_shards: {error}") from None


def _bring_near(source, split, index_folder, stage_shards_to, shard_cache, mapped):
    shards = list_shards(source)
    if mapped and not stage_shards_to and not all(map(can_be_mapped, shards)):
        name = hashlib.sha256(str(source).encode()).hexdigest()[:12]
        stage_shards_to = Path(shard_cache or index_folder, name)
    if stage_shards_to:
        # Once a machine: of a command nobody knows that its output is there already.
        run_once_per_node(stage_shards, [{split: source}, stage_shards_to])
        return list_shards(Path(stage_shards_to) / split)
    if shard_cache and not all(isinstance(shard, Path) for shard in shards):
        versions = zip(shards, stamps(shards), strict=True)
        return [bring_near(shard, shard_cache, stamp) for shard, stamp in versions]
    return shards

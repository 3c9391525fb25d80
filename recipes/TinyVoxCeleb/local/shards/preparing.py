"""The shards of one split, where a training wants them, and their index.

Authors
 * The TinyVoxCeleb authors 2026
"""

from pathlib import Path

from local.processes import on_main
from local.shards.index import index_shards
from local.shards.sources import can_be_mapped, list_shards
from local.shards.staging import stage_shards


def prepare_split(source, split, index_folder, *, stage_shards_to="", shard_cache="", mapped=False):
    """Bring the shards of a split near, if that is asked for or needed, and index them.

    Every process is to call it: those of one machine copy once, those of all index once.

    Arguments
    ---------
    source : str
        See `list_shards`.
    split : str
        Such as "train".
    index_folder : str or Path
        Keeps the index as <split>.npz.
    stage_shards_to : str
        A folder on a fast local disk to which the shards are copied first; "" for none.
    shard_cache : str
        A folder for copies of shards that are elsewhere.
    mapped : bool
        Shards that cannot be mapped, because they are elsewhere or compressed, are copied to
        `shard_cache` first; else they are streamed from there in every epoch.

    Returns
    -------
    ShardIndex

    Raises
    ------
    RecipeError
        See `index_shards` and `stage_shards`.
    """
    if mapped and not stage_shards_to and not all(map(can_be_mapped, list_shards(source))):
        stage_shards_to = shard_cache
    if stage_shards_to:
        source = stage_shards({split: source}, stage_shards_to)[split]
    return on_main(index_shards, source, Path(index_folder) / f"{split}.npz", shard_cache)

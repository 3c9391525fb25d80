"""The shards of one split, where a training wants them, and their index.

Authors
 * The TinyVoxCeleb authors 2026
"""

import hashlib
from pathlib import Path

from local.processes import on_main
from local.shards.index import index_shards
from local.sources import bring_near, can_be_mapped, list_shards, stamps
from local.sources.staging import stage_shards


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
        See `index_shards`, `bring_near` and `stage_shards`.
    """
    shards = list_shards(source)
    if mapped and not stage_shards_to and not all(map(can_be_mapped, shards)):
        name = hashlib.sha256(str(source).encode()).hexdigest()[:12]
        stage_shards_to = Path(shard_cache or index_folder, name)
    if stage_shards_to:
        shards = list_shards(stage_shards({split: source}, stage_shards_to)[split])
    elif shard_cache and not all(isinstance(shard, Path) for shard in shards):
        versions = zip(shards, stamps(shards), strict=True)
        shards = [bring_near(shard, shard_cache, stamp) for shard, stamp in versions]
    return on_main(index_shards, shards, Path(index_folder) / f"{split}.npz")

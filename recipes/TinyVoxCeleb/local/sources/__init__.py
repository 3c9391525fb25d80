"""Where shards come from: folders, web servers, object stores, commands; packed or not.

Authors
 * The TinyVoxCeleb authors 2026
"""

from local.sources.listing import list_shards, split_sources
from local.sources.opening import (
    bring_near,
    can_be_mapped,
    open_shard,
    read_to_the_end,
    stamp,
    stamps,
)

__all__ = [
    "bring_near",
    "can_be_mapped",
    "list_shards",
    "open_shard",
    "read_to_the_end",
    "split_sources",
    "stamp",
    "stamps",
]

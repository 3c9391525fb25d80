"""The shard schema of tiny-voxceleb: the only place that writes it and reads it.

A shard is a tar archive whose members come in pairs, audio first::

    0017/id10012/0AXjxNXiEzo/00001.wav
    0017/id10012/0AXjxNXiEzo/00001.json
"""

from local.shards.classes import check_classes, count_speakers, fingerprint, speakers_by_class
from local.shards.index import ShardIndex, index_shards
from local.shards.listing import list_shards
from local.shards.mapping import MappedShards
from local.shards.opening import bring_near, can_be_mapped, open_shard, stamp, stamps
from local.shards.preparing import prepare_split
from local.shards.reading import read_shards
from local.shards.schema import Sample
from local.shards.writing import write_shards

__all__ = [
    "MappedShards",
    "Sample",
    "ShardIndex",
    "bring_near",
    "can_be_mapped",
    "check_classes",
    "count_speakers",
    "fingerprint",
    "index_shards",
    "list_shards",
    "open_shard",
    "prepare_split",
    "read_shards",
    "speakers_by_class",
    "stamp",
    "stamps",
    "write_shards",
]

"""The shard schema of tiny-voxceleb: the only place that writes it and reads it.

A shard is a tar archive whose members come in pairs, audio first::

    0017/id10012/0AXjxNXiEzo/00001.wav
    0017/id10012/0AXjxNXiEzo/00001.json
"""

from local.shards.addresses import split_sources
from local.shards.apart import check_apart, known_speakers, same_audio, shared_lines
from local.shards.classes import check_classes, fingerprint, speakers_by_class
from local.shards.copies import stage_shards
from local.shards.headers import Sample
from local.shards.index import ShardIndex, index_shards
from local.shards.intact import check_holes
from local.shards.listing import list_shards
from local.shards.members import write_samples
from local.shards.preparing import prepare_split
from local.shards.reading import MappedShards, read_shards
from local.shards.sources import open_shard
from local.shards.writing import write_shards

__all__ = [
    "MappedShards",
    "Sample",
    "ShardIndex",
    "check_apart",
    "check_classes",
    "check_holes",
    "fingerprint",
    "index_shards",
    "known_speakers",
    "list_shards",
    "open_shard",
    "prepare_split",
    "read_shards",
    "same_audio",
    "shared_lines",
    "speakers_by_class",
    "split_sources",
    "stage_shards",
    "write_samples",
    "write_shards",
]

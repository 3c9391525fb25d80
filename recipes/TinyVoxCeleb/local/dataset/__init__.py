"""From shards to batches: order, crop, partition over processes, place in the epoch."""

from local.dataset.batch import Batch, Utterances, collate
from local.dataset.crops import IndexedCrops
from local.dataset.loading import BatchLoader, make_crops
from local.dataset.order import CropOrder, sample_seed
from local.dataset.shard_data import ShardData
from local.dataset.streamed import StreamedCrops

__all__ = [
    "Batch",
    "BatchLoader",
    "CropOrder",
    "IndexedCrops",
    "ShardData",
    "StreamedCrops",
    "Utterances",
    "collate",
    "make_crops",
    "sample_seed",
]

"""Batches of crops as something to compare, and loaders of them in any process of a group."""

import torch.distributed

from local.dataset import BatchLoader, CropOrder, IndexedCrops


def make_loader(index, *, num_workers=0, crop_frames=4000, seed=1, epoch=1, start=0, **options):
    options = {"batch_size": 4, "seed": seed, **options}
    order = CropOrder(index, **options)
    crops = options.get("crops_per_utterance", 1)
    data = IndexedCrops(index, crop_frames=crop_frames, seed=seed, crops_per_utterance=crops)
    loader = BatchLoader(data, order, num_workers=num_workers)
    loader.set_epoch(epoch, start)
    return loader


def content(batches):
    """All that batches hold: (ids, bytes of the signals, classes, seeds) of each."""
    return [(b.ids, b.signals.numpy().tobytes(), b.classes.tolist(), b.seeds) for b in batches]


def in_processes(monkeypatch, world):
    """Let the processes of a group take their turns in this one."""
    monkeypatch.setattr("local.processes._is_joined", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: world)
    for rank in range(world):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        yield rank

"""Batches: crops or whole utterances of equal length, 16-bit until they are on their device."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from local.processes import rank, world_size
from local.shards import MappedShards, ShardIndex
from local.shards.audio import FULL_SCALE, repeat_to


@dataclass
class Batch:
    """Utterances, or crops of them, of equal length.

    Attributes
    ----------
    ids : list of str
        As trial lists name them.
    signals : torch.Tensor
        Waveforms, shape (batch, time): 16-bit integers, and after `to` floats in [-1, 1].
    classes : torch.Tensor
        Class indices, shape (batch,); -1 for speakers outside the training set.
    seeds : list of int, optional
        One a crop: what its augmentation follows from, see `sample_seed`.
    for_features : dict
        What `compute_features` gets by name beside the signals, from the augmentation.
    """

    ids: list
    signals: torch.Tensor
    classes: torch.Tensor
    seeds: list | None = None
    for_features: dict = field(default_factory=dict)

    def __len__(self):
        return len(self.ids)

    def to(self, device: str | torch.device) -> "Batch":
        """The batch on another device, with float signals: half of the bytes have to travel."""
        signals = self.signals.to(device, non_blocking=True)
        if not signals.is_floating_point():
            signals = signals * (1 / FULL_SCALE)  # in one pass; a power of two, so nothing is lost
        classes = self.classes.to(device, non_blocking=True)
        return replace(self, signals=signals, classes=classes)

    def pin_memory(self) -> "Batch":
        """The same batch in page-locked memory, from where it moves to a GPU faster."""
        signals, classes = self.signals.pin_memory(), self.classes.pin_memory()
        return replace(self, signals=signals, classes=classes)


def collate(items: Sequence[dict]) -> Batch:
    """Make a batch of single items, of which the first tells whether they have seeds.

    Each has "id", "sig" (int16, shape (time,), equally long), "class_idx", and perhaps "seed". The
    signals are copied by numpy, as torch has threads of its own for each thread that calls it.

    Example
    -------
    >>> item = {"id": "a/b/c", "sig": torch.zeros(3, dtype=torch.int16), "class_idx": 7}
    >>> collate([item, item]).signals.shape
    torch.Size([2, 3])
    """
    return Batch(
        [item["id"] for item in items],
        torch.from_numpy(np.stack([item["sig"].numpy() for item in items])),
        torch.tensor([item["class_idx"] for item in items]),
        [item["seed"] for item in items] if "seed" in items[0] else None,
    )


class Utterances(torch.utils.data.Dataset):
    """Whole utterances in batches of equal length: nothing is padded or cut.

    The batches follow from the index alone; of several processes each reads those that `own`
    numbers.

    Arguments
    ---------
    index :
        Of shards that can be mapped.
    batch_size :
        Utterances a batch at the most.
    min_frames :
        Utterances shorter than this many audio samples are repeated to it.
    """

    def __init__(self, index: ShardIndex, *, batch_size: int = 16, min_frames: int):
        self.index = index
        self.shards = MappedShards(index)
        self.min_frames = min_frames
        by_length = {}
        for row, length in enumerate(index.num_frames.tolist()):
            by_length.setdefault(max(length, min_frames), []).append(row)
        self.batches = [
            rows[begin : begin + batch_size]
            for rows in by_length.values()
            for begin in range(0, len(rows), batch_size)
        ]
        self.batches.sort()  # what lies together is read together

    def own(self) -> range:
        """Numbers of the batches that this process is to read."""
        return range(rank(), len(self), world_size())

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, number: int) -> Batch:
        return collate([self._read(row) for row in self.batches[number]])

    def _read(self, row):
        return {
            "id": self.index[row].key,
            "sig": torch.from_numpy(repeat_to(self.shards.samples(row), self.min_frames)),
            "class_idx": self.index.class_idx.item(row),
        }

"""A batch of utterances or crops, 16-bit until it is on its device."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from local.shards.audio import FULL_SCALE


@dataclass
class Batch:
    """Utterances, or crops of them, of equal length.

    Arguments
    ---------
    ids : list of str
        As trial lists name them.
    signals : torch.Tensor
        Waveforms, shape (batch, time): 16-bit integers, and after `to` floats in [-1, 1].
    classes : torch.Tensor
        Class indices, shape (batch,); -1 for speakers outside the training set.
    seeds : list of int, optional
        Of crops: what their augmentation follows from, see `sample_seed`.
    """

    ids: list
    signals: torch.Tensor
    classes: torch.Tensor
    seeds: list | None = None

    def __len__(self):
        return len(self.ids)

    def to(self, device):
        """The batch on another device, with float signals: half of the bytes have to travel."""
        signals = self.signals.to(device, non_blocking=True)
        if not signals.is_floating_point():
            signals = signals * (1 / FULL_SCALE)  # in one pass; a power of two, so nothing is lost
        classes = self.classes.to(device, non_blocking=True)
        return replace(self, signals=signals, classes=classes)

    def pin_memory(self):
        """The same batch in page-locked memory, from where it moves to a GPU faster."""
        signals, classes = self.signals.pin_memory(), self.classes.pin_memory()
        return replace(self, signals=signals, classes=classes)


def collate(items):
    """Make a batch of single items.

    By numpy, as torch has threads of its own for each thread that calls it.

    Arguments
    ---------
    items : list of dict
        With "id", "sig" (int16, shape (time,), equally long), "class_idx", and "seed" or none.

    Returns
    -------
    Batch

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

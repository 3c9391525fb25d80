"""Pieces of a signal that are lost, and bands and stretches of features that are masked."""

import numpy as np
import torch

from local.augmentation.augmentation import Part


class ChunkDrop(Part):
    """Silence in some places of a signal.

    As SpeechBrain's DropChunk, with random numbers that belong to the crop. `count` is the least
    and the most of the chunks, `length` the shortest and the longest, in audio samples.
    """

    def __init__(
        self,
        *,
        probability: float,
        count: tuple[int, int] = (1, 4),
        length: tuple[int, int] = (800, 3200),
    ):
        super().__init__(probability)
        self.count = count
        self.length = length

    def draw(self, rng):
        """Where each chunk begins, as a share of the crop, and its length; 0 for none."""
        there = np.arange(self.count[1]) < rng.integers(*self.count, endpoint=True)
        lengths = rng.integers(*self.length, endpoint=True, size=self.count[1])
        return rng.random(self.count[1]), lengths * there

    def change(self, chosen, others, starts, lengths):
        """Put zeros."""
        size = chosen.shape[1]
        return chosen.masked_fill(_covered(size, starts * size, lengths), 0)


class _Mask(Part):
    """Masks of SpecAugment (D. Park et al., 2019), which also warps time.

    Zero is the mean where sentences are normalised.
    """

    def __init__(self, *, probability: float, count: int = 2, width: float = 0.1):
        super().__init__(probability)
        self.count = count
        self.width = width

    def draw(self, rng):
        """Width of each mask and where it begins, as shares of what is left beside it."""
        return rng.uniform(0, self.width, self.count), rng.random(self.count)

    def masked(self, size, widths, starts):
        """Whether each of `size` places is masked; shape (chosen, size)."""
        widths = (widths * size).round()
        return _covered(size, (starts * (size + 1 - widths)).floor(), widths)


class FrequencyMask(_Mask):
    """Mask `count` bands of features with 0; the widest is a share `width` of all features."""

    def change(self, chosen, others, widths, starts):
        """Put zeros; features have the shape (chosen, frames, n_features)."""
        return chosen.masked_fill(self.masked(chosen.shape[2], widths, starts)[:, None], 0)


class TimeMask(_Mask):
    """Mask `count` stretches of time with 0; the longest is a share `width` of the crop."""

    def change(self, chosen, others, widths, starts):
        """Put zeros; features have the shape (chosen, frames, n_features)."""
        return chosen.masked_fill(self.masked(chosen.shape[1], widths, starts)[:, :, None], 0)


def _covered(size, first, widths):
    """Whether pieces (chosen, pieces) cover each of `size` places; shape (chosen, size)."""
    places = torch.arange(size, device=first.device)
    first, widths = first[:, :, None], widths[:, :, None]
    return ((places >= first) & (places < first + widths)).any(dim=1)

"""Bands and stretches of features that are masked.

Source: D. Park et al., "SpecAugment", 2019, without the warping of time.
"""

import torch

from local.augmentation.augmentation import Part


class _Mask(Part):
    def __init__(self, *, probability, count=2, width=0.1):
        super().__init__(probability)
        self.count = count
        self.width = width

    def draw(self, rng):
        """Width of each mask and where it begins, as shares of what is left beside it."""
        return rng.uniform(0, self.width, self.count), rng.random(self.count)

    def masked(self, size, widths, starts):
        """Whether each of `size` places is masked; shape (chosen, size)."""
        widths = (widths * size).round()
        first = (starts * (size + 1 - widths)).floor()[:, :, None]
        places = torch.arange(size, device=starts.device)
        return ((places >= first) & (places < first + widths[:, :, None])).any(dim=1)


class FrequencyMask(_Mask):
    """Mask bands of features with 0, which is the mean where sentences are normalised.

    Arguments
    ---------
    probability : float
    count : int
        Bands.
    width : float
        Width of the widest, as a share of all features.
    """

    def change(self, chosen, others, widths, starts):
        """Put zeros; features have the shape (chosen, frames, n_features)."""
        return chosen.masked_fill(self.masked(chosen.shape[2], widths, starts)[:, None], 0)


class TimeMask(_Mask):
    """Mask stretches of time with 0, which is the mean where sentences are normalised.

    Arguments
    ---------
    probability : float
    count : int
        Stretches.
    width : float
        Length of the longest, as a share of the crop.
    """

    def change(self, chosen, others, widths, starts):
        """Put zeros; features have the shape (chosen, frames, n_features)."""
        return chosen.masked_fill(self.masked(chosen.shape[1], widths, starts)[:, :, None], 0)

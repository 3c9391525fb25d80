"""Loudness, overload, and pieces that are lost."""

import numpy as np
import torch

from local.augmentation.augmentation import Part


class Gain(Part):
    """Louder or softer. (A network behind normalised log features hardly hears it.)

    Arguments
    ---------
    probability : float
    decibels : (float, float)
        Range of the gain.
    """

    def __init__(self, *, probability, decibels=(-20, 6)):
        super().__init__(probability)
        self.decibels = decibels

    def draw(self, rng):
        """Gain in dB."""
        return (rng.uniform(*self.decibels),)

    def change(self, chosen, others, decibels):
        """Multiply."""
        return chosen * 10 ** (decibels[:, None] / 20)


class Clipping(Part):
    """Cut the peaks off, as an overloaded microphone does.

    Arguments
    ---------
    probability : float
    threshold : (float, float)
        Range of the highest level that is left, as a share of the peak.
    """

    def __init__(self, *, probability, threshold=(0.15, 0.7)):
        super().__init__(probability)
        self.threshold = threshold

    def draw(self, rng):
        """Share of the peak."""
        return (rng.uniform(*self.threshold),)

    def change(self, chosen, others, threshold):
        """Clip."""
        bound = chosen.abs().amax(dim=1, keepdim=True) * threshold[:, None]
        return chosen.clamp(-bound, bound)


class ChunkDrop(Part):
    """Silence in some places.

    As SpeechBrain's DropChunk, with random numbers that belong to the crop.

    Arguments
    ---------
    probability : float
    count : (int, int)
        Least and largest number of chunks.
    length : (int, int)
        Shortest and longest chunk, in audio samples.
    """

    def __init__(self, *, probability, count=(1, 4), length=(800, 3200)):
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
        time = torch.arange(chosen.shape[1], device=chosen.device)
        first = (starts * chosen.shape[1])[:, :, None]
        inside = (time >= first) & (time < first + lengths[:, :, None])
        return chosen.masked_fill(inside.any(dim=1), 0)

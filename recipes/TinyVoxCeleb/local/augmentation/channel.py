"""Microphones and lines: random equalisers, band limits and notches."""

import numpy as np
import torch

from local.augmentation.augmentation import Part
from local.augmentation.spectrum import at_level_of, filtered, frequencies
from local.layout import SAMPLE_RATE


class Equalizer(Part):
    """A smooth random frequency response: gains at points between which they run straight.

    The points have equal distances on the mel scale, from 0 Hz to half the sample rate. Gains are
    drawn from -max_gain to max_gain, in dB; a slope of at most `max_tilt` dB an octave is added.
    """

    def __init__(
        self,
        *,
        probability: float,
        max_gain: float = 10.0,
        points: int = 8,
        max_tilt: float = 4.0,
    ):
        super().__init__(probability)
        self.max_gain = max_gain
        self.points = points
        self.max_tilt = max_tilt

    def draw(self, rng):
        """Gains in dB, and the slope in dB an octave."""
        gains = rng.uniform(-self.max_gain, self.max_gain, self.points)
        return gains, rng.uniform(-self.max_tilt, self.max_tilt)

    def change(self, chosen, others, gains, tilts):
        """Filter, and keep the level."""
        hertz = frequencies(chosen.shape[1], chosen.device)
        mel = torch.log1p(hertz / 700)
        place = mel / mel[-1] * (self.points - 1)
        left = place.long().clamp(max=self.points - 2)
        share = place - left
        decibels = gains[:, left] * (1 - share) + gains[:, left + 1] * share
        decibels = decibels + tilts[:, None] * torch.log2((hertz + 50) / 1000)
        return at_level_of(filtered(chosen, 10 ** (decibels / 20)), chosen)


class BandLimit(Part):
    """High-pass and low-pass of random edges and steepness, as of lines and small loudspeakers.

    The edges lie in the ranges `low` and `high`, in Hz; `order` is the least and the largest order.
    Gains are those of Butterworth filters, without the delay.
    """

    def __init__(
        self,
        *,
        probability: float,
        low: tuple[float, float] = (20, 400),
        high: tuple[float, float] = (2500, 8000),
        order: tuple[int, int] = (2, 8),
    ):
        super().__init__(probability)
        self.low = low
        self.high = high
        self.order = order

    def draw(self, rng):
        """Both edges in Hz, and the order."""
        orders = rng.integers(self.order[0], self.order[1] + 1)
        return rng.uniform(*self.low), rng.uniform(*self.high), float(orders)

    def change(self, chosen, others, low, high, order):
        """Filter, and keep the level."""
        hertz = frequencies(chosen.shape[1], chosen.device).clamp(min=1)
        power = 2 * order[:, None]
        below = 1 + (low[:, None] / hertz) ** power
        above = 1 + (hertz / high[:, None]) ** power
        return at_level_of(filtered(chosen, (below * above).rsqrt()), chosen)


class FrequencyDrop(Part):
    """Notches: narrow bands, `width` Hz wide, are taken out; `count` is their least and most.

    As SpeechBrain's DropFreq, which takes the same bands out of all signals of a batch.
    """

    def __init__(
        self, *, probability: float, count: tuple[int, int] = (1, 3), width: float = 400.0
    ):
        super().__init__(probability)
        self.count = count
        self.width = width

    def draw(self, rng):
        """Middles of the bands in Hz; NaN for those that there are not."""
        middles = rng.uniform(0, SAMPLE_RATE / 2, self.count[1])
        there = np.arange(self.count[1]) < rng.integers(*self.count, endpoint=True)
        return (np.where(there, middles, np.nan),)

    def change(self, chosen, others, middles):
        """Filter, and keep the level."""
        hertz = frequencies(chosen.shape[1], chosen.device)
        inside = (hertz - middles[:, :, None]).abs() < self.width / 2  # NaN is never inside
        return at_level_of(filtered(chosen, (~inside.any(dim=1)).float()), chosen)

"""Microphones and lines: random equalisers, band limits and notches."""

import numpy as np
import torch

from local.augmentation.augmentation import Part
from local.augmentation.spectrum import at_level_of, filtered, frequencies


class Equalizer(Part):
    """A smooth random frequency response: gains at points between which they run straight.

    The points have equal distances on the mel scale.

    Arguments
    ---------
    probability : float
    max_gain : float
        Gains are drawn from -max_gain to max_gain, in dB.
    points : int
        From 0 Hz to half the sample rate.
    max_tilt : float
        A slope is added to them, of at most this many dB an octave.
    sample_rate : int
        Hz.
    """

    def __init__(self, *, probability, max_gain=10.0, points=8, max_tilt=4.0, sample_rate=16000):
        super().__init__(probability)
        self.max_gain = max_gain
        self.points = points
        self.max_tilt = max_tilt
        self.sample_rate = sample_rate

    def draw(self, rng):
        """Gains in dB, and the slope in dB an octave."""
        gains = rng.uniform(-self.max_gain, self.max_gain, self.points)
        return gains, rng.uniform(-self.max_tilt, self.max_tilt)

    def change(self, chosen, others, gains, tilts):
        """Filter, and keep the level."""
        hertz = frequencies(chosen.shape[1], self.sample_rate, chosen.device)
        mel = torch.log1p(hertz / 700)
        place = mel / mel[-1] * (self.points - 1)
        left = place.long().clamp(max=self.points - 2)
        share = place - left
        decibels = gains[:, left] * (1 - share) + gains[:, left + 1] * share
        decibels = decibels + tilts[:, None] * torch.log2((hertz + 50) / 1000)
        return at_level_of(filtered(chosen, 10 ** (decibels / 20)), chosen)


class BandLimit(Part):
    """High-pass and low-pass of random edges and steepness, as of lines and small loudspeakers.

    Their gains are those of Butterworth filters, without the delay.

    Arguments
    ---------
    probability : float
    low, high : (float, float)
        Hz, between which the edges of the high-pass and of the low-pass lie.
    order : (int, int)
        Least and largest order.
    sample_rate : int
        Hz.
    """

    def __init__(
        self, *, probability, low=(20, 400), high=(2500, 8000), order=(2, 8), sample_rate=16000
    ):
        super().__init__(probability)
        self.low = low
        self.high = high
        self.order = order
        self.sample_rate = sample_rate

    def draw(self, rng):
        """Both edges in Hz, and the order."""
        orders = rng.integers(self.order[0], self.order[1] + 1)
        return rng.uniform(*self.low), rng.uniform(*self.high), float(orders)

    def change(self, chosen, others, low, high, order):
        """Filter, and keep the level."""
        hertz = frequencies(chosen.shape[1], self.sample_rate, chosen.device).clamp(min=1)
        power = 2 * order[:, None]
        below = 1 + (low[:, None] / hertz) ** power
        above = 1 + (hertz / high[:, None]) ** power
        return at_level_of(filtered(chosen, (below * above).rsqrt()), chosen)


class FrequencyDrop(Part):
    """Notches: narrow bands that are taken out.

    As SpeechBrain's DropFreq, which takes the same bands out of all signals of a batch.

    Arguments
    ---------
    probability : float
    count : (int, int)
        Least and largest number of bands.
    width : float
        Hz of each.
    sample_rate : int
        Hz.
    """

    def __init__(self, *, probability, count=(1, 3), width=400.0, sample_rate=16000):
        super().__init__(probability)
        self.count = count
        self.width = width
        self.sample_rate = sample_rate

    def draw(self, rng):
        """Middles of the bands in Hz; NaN for those that there are not."""
        middles = rng.uniform(0, self.sample_rate / 2, self.count[1])
        return (
            np.where(
                np.arange(self.count[1]) < rng.integers(*self.count, endpoint=True), middles, np.nan
            ),
        )

    def change(self, chosen, others, middles):
        """Filter, and keep the level."""
        hertz = frequencies(chosen.shape[1], self.sample_rate, chosen.device)
        inside = (hertz - middles[:, :, None]).abs() < self.width / 2  # NaN is never inside
        return at_level_of(filtered(chosen, (~inside.any(dim=1)).float()), chosen)

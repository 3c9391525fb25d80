"""Additive noise: coloured, of other speakers of the batch, or recorded.

`snr` is the range of the signal-to-noise ratio, in dB.
"""

import numpy as np
import torch

from local.augmentation.augmentation import Part
from local.augmentation.recordings import Bank, Recordings
from local.augmentation.spectrum import filtered, frequencies, level, mixed
from local.layout import SAMPLE_RATE

BANK_SECONDS = 60


class ColouredNoise(Part):
    """Stationary noise of random colour, from rumble to hiss.

    `slope` is the range of the frequency's exponent in the noise's magnitude: 0 is white, -0.5
    pink, -1 brown.
    """

    def __init__(
        self,
        *,
        probability: float,
        snr: tuple[float, float] = (0, 20),
        slope: tuple[float, float] = (-1.2, 0.6),
    ):
        super().__init__(probability)
        self.snr = snr
        self.slope = slope
        # Each crop takes a place of its own of one minute: cheaper than noise of its own.
        self.white = Bank(_white_noise)

    def draw(self, rng):
        """Where in the minute; slope; ratio in dB."""
        return rng.integers(len(self.white)), rng.uniform(*self.slope), rng.uniform(*self.snr)

    def change(self, chosen, others, start, slope, snr):
        """Add the noise."""
        time = torch.arange(chosen.shape[1], device=chosen.device)
        noise = self.white.on(chosen.device)[(start[:, None] + time) % len(self.white)]
        hertz = frequencies(chosen.shape[1], chosen.device)
        gains = ((hertz + 50) / 1000) ** slope[:, None]
        return mixed(chosen, filtered(noise, gains), snr)


def _white_noise():
    count = BANK_SECONDS * SAMPLE_RATE
    return torch.from_numpy(np.random.default_rng(0).standard_normal(count, np.float32))


class Babble(Part):
    """Other speakers of the batch, talking at the same time, each equally loud.

    `talkers` is the least and the largest number of them.
    """

    def __init__(
        self,
        *,
        probability: float,
        snr: tuple[float, float] = (3, 20),
        talkers: tuple[int, int] = (1, 6),
    ):
        super().__init__(probability)
        self.snr = snr
        self.talkers = talkers

    def draw(self, rng):
        """Where among the others each talker is, NaN for those that are not there; ratio in dB."""
        places = rng.random(self.talkers[1])
        count = rng.integers(*self.talkers, endpoint=True)
        return np.where(np.arange(self.talkers[1]) < count, places, np.nan), rng.uniform(*self.snr)

    def change(self, chosen, others, places, snr):
        """Add the talkers."""
        batch, eligible = others
        counts = eligible.sum(1, keepdim=True)
        there = places.isfinite() & (counts > 0)
        numbers = (places.nan_to_num() * counts).long().clamp(max=counts - 1).clamp(min=0)
        rows = eligible.byte().argsort(dim=1, descending=True, stable=True).gather(1, numbers)
        loudness = there / level(batch)[rows].squeeze(2)  # (chosen, talkers)
        weights = torch.zeros(eligible.shape, device=chosen.device)
        weights.scatter_add_(1, rows, loudness)
        return mixed(chosen, weights @ batch, snr)


class RecordedNoise(Part):
    """Noise from recordings; one that is shorter than a crop is repeated."""

    def __init__(
        self,
        recordings: Recordings,
        *,
        probability: float,
        snr: tuple[float, float] = (0, 15),
    ):
        super().__init__(probability)
        self.recordings = recordings
        self.snr = snr

    def draw(self, rng):
        """Which recording; where in it, from 0 to 1; ratio in dB."""
        return rng.integers(len(self.recordings)), rng.random(), rng.uniform(*self.snr)

    def change(self, chosen, others, numbers, places, snr):
        """Add pieces of the recordings."""
        pieces = [
            self.recordings.piece(number, place, chosen.shape[1])
            for number, place in zip(numbers.tolist(), places.tolist(), strict=True)
        ]
        return mixed(chosen, torch.from_numpy(np.stack(pieces)).to(chosen.device), snr)

"""Additive noise: coloured, of other speakers of the batch, or recorded.

`snr` is the range of the signal-to-noise ratio, in dB.
"""

import numpy as np
import torch

from local.augmentation.augmentation import Part
from local.augmentation.recordings import Bank, Recordings
from local.augmentation.spectrum import SILENCE, filtered, frequencies, level, mixed
from local.layout import SAMPLE_RATE

BANK_SECONDS = 60
# Of recordings: range of the ratio in dB, and of how many sound at a time. As for Kaldi's x-vectors
# (D. Snyder et al., "X-vectors: robust DNN embeddings for speaker recognition", ICASSP 2018).
KINDS = {"noise": ((0, 15), (1, 1)), "music": ((5, 15), (1, 1)), "speech": ((13, 20), (3, 7))}
MOST = max(count[1] for _, count in KINDS.values())


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
    """Noise from recordings, of which `KINDS` has how loud each kind is; without any, nothing.

    Each kind comes equally often. Of speech several recordings make a babble, each equally loud.
    What is shorter than a crop is repeated.
    """

    def __init__(self, recordings: Recordings | None, *, probability: float):
        super().__init__(probability)
        self.recordings = recordings

    def forward(
        self, batch: torch.Tensor, generators: list[np.random.Generator], speakers: torch.Tensor
    ) -> torch.Tensor:
        """As of `Part`."""
        return batch if self.recordings is None else super().forward(batch, generators, speakers)

    def draw(self, rng):
        """Which recordings, -1 for none; where in each, from 0 to 1; ratio in dB."""
        kinds = self.recordings.kinds
        kind = list(kinds)[rng.integers(len(kinds))]
        snr, count = KINDS[kind]
        number = rng.integers(*count, endpoint=True)
        numbers = kinds[kind][rng.integers(len(kinds[kind]), size=MOST)]
        return np.where(np.arange(MOST) < number, numbers, -1), rng.random(MOST), rng.uniform(*snr)

    def change(self, chosen, others, numbers, places, snr):
        """Add pieces of the recordings."""
        sums = np.zeros(chosen.shape, np.float32)
        for row, number in zip(*(numbers.cpu() >= 0).numpy().nonzero(), strict=True):
            place = places[row, number].item()
            piece = self.recordings.piece(numbers[row, number].item(), place, chosen.shape[1])
            sums[row] += piece / max(np.sqrt(np.mean(piece**2)), SILENCE)
        return mixed(chosen, torch.from_numpy(sums).to(chosen.device), snr)

"""Speed perturbation that makes new speakers."""

import math
from collections.abc import Sequence

import numpy as np
import torch
import torchaudio
from speechbrain.utils.autocast import fwd_default_precision
from torch import Tensor

from local.errors import RecipeError


def frames_to_read(crop_frames: int, speeds: list[float]) -> int:
    """Audio samples that a crop of `crop_frames` needs before it is played at any of the speeds."""
    return math.ceil(crop_frames * max(speeds, default=1))


def count_classes(n_speakers: int, speeds: list[float]) -> int:
    """Number of classes where each speaker at each speed is one."""
    return n_speakers * len(speeds)


class SpeedPerturbation(torch.nn.Module):
    """Play each crop at one of several speeds, each of which makes another speaker of its speaker.

    Pitch and formants move with the speed. Class c at speed number k becomes class
    c + k * n_speakers, so that the first speed, 1.0, has the classes of the speakers themselves.
    Source: H. Yamamoto et al., "Speaker augmentation and bandwidth extension for deep speaker
    embedding", 2019; W. Wang et al., "The DKU-DukeECE systems for VoxSRC 2020".

    Arguments
    ---------
    speeds : list of float
        The first is 1.0; the others are hundredths between 0.5 and 2.
    crop_frames : int
        Length of a crop in audio samples, when it has been played.
    together : int
        Neighbours in a batch that are played at one speed, that of the first of them: the
        crops_per_speaker of a CropOrder, so that they stay crops of one speaker.

    Raises
    ------
    RecipeError
        Other speeds, or one of them twice.

    Example
    -------
    >>> speeds = [1.0, 0.9, 1.1]
    >>> perturbation = SpeedPerturbation(speeds, n_speakers=100, crop_frames=48000)
    >>> signals = torch.randn(2, frames_to_read(48000, speeds))
    >>> signals, classes = perturbation(signals, torch.tensor([7, 8]), [1, 2])
    >>> signals.shape
    torch.Size([2, 48000])
    """

    def __init__(
        self, speeds: list[float], *, n_speakers: int, crop_frames: int, together: int = 1
    ):
        super().__init__()
        if speeds[:1] != [1.0] or len(set(speeds)) < len(speeds):
            raise RecipeError(f"speeds {speeds}: expected 1.0 first, and each speed once")
        if min(speeds) < 0.5 or max(speeds) > 2:
            raise RecipeError(f"speeds {speeds}: expected them between 0.5 and 2")
        if any(round(speed, 2) != speed for speed in speeds):
            raise RecipeError(f"speeds {speeds}: expected hundredths, such as 0.95")
        self.speeds = speeds
        self.n_speakers = n_speakers
        self.crop_frames = crop_frames
        self.together = together

    def labels(self, speakers: list[str]) -> list[str]:
        """Names of all classes, from the names of the speakers."""
        played = [f" at speed {speed}" if speed != 1 else "" for speed in self.speeds]
        return [speaker + speed for speed in played for speaker in speakers]

    @fwd_default_precision
    @torch.no_grad()
    def forward(
        self, signals: Tensor, classes: Tensor, seeds: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """Play signals (batch, frames_to_read) of classes (batch,), each crop by its seed.

        Returns signals (batch, crop_frames) and classes (batch,).
        """
        rngs = [np.random.default_rng([seed, 0]) for seed in seeds[:: self.together]]
        numbers = np.repeat([rng.integers(len(self.speeds)) for rng in rngs], self.together)
        numbers = torch.from_numpy(numbers).to(signals.device)
        played = signals[:, : self.crop_frames].clone()
        for number, speed in enumerate(self.speeds[1:], start=1):
            rows = (numbers == number).nonzero().squeeze(1)
            if len(rows):
                frames = math.ceil(self.crop_frames * speed)
                resampled = torchaudio.functional.resample(
                    signals[rows, :frames], round(speed * 100), 100
                )
                played[rows] = resampled[:, : self.crop_frames]
        return played, classes + numbers * self.n_speakers

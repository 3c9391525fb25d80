"""Voices of other vocal tracts, each of which counts as another speaker."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from local.dataset import Batch
from local.errors import RecipeError


def count_classes(n_speakers: int, warps: Sequence[float]) -> int:
    """Number of classes where each speaker with each warp of the frequency axis is one."""
    return n_speakers * len(warps)


class VocalTracts(torch.nn.Module):
    """Let each crop be heard with one of several warps, each of which makes another speaker.

    Class c with warp number k becomes class c + k * n_speakers, so that the first warp, 1.0, has
    the classes of the speakers themselves. The features do it, see
    `speaker_models.warped_fbank.WarpedFbank`. Playing speech at other speeds, as H. Yamamoto et
    al. (Interspeech 2019) and W. Wang et al. (VoxSRC 2020) do, moves the frequencies alike.

    Arguments
    ---------
    warps : list of float
        Factors of the frequency axis; the first is 1.0.
    together : int
        Neighbours in a batch that are warped alike: the crops_per_speaker of a CropOrder, so that
        they stay crops of one speaker.

    Raises
    ------
    RecipeError
        Other factors, or one of them twice.

    Example
    -------
    >>> tracts = VocalTracts([1.0, 0.9, 1.1], n_speakers=100)
    >>> batch = Batch(["a", "b"], torch.randn(2, 48000), torch.tensor([7, 8]), [1, 2])
    >>> batch = tracts(batch)
    >>> batch.classes % 100
    tensor([7, 8])
    """

    def __init__(self, warps: list[float], *, n_speakers: int, together: int = 1):
        super().__init__()
        if warps[:1] != [1.0] or len(set(warps)) < len(warps):
            raise RecipeError(f"warps {warps}: expected 1.0 first, and each factor once")
        if min(warps) < 0.5 or max(warps) > 2:
            raise RecipeError(f"warps {warps}: expected factors between 0.5 and 2")
        self.warps = warps
        self.n_speakers = n_speakers
        self.together = together

    def labels(self, speakers: list[str]) -> list[str]:
        """Names of all classes, from the names of the speakers."""
        warped = [f" warped by {warp}" if warp != 1 else "" for warp in self.warps]
        return [speaker + warp for warp in warped for speaker in speakers]

    def forward(self, batch: Batch) -> Batch:
        """Choose a warp for each crop by its seed: classes follow, and the features are told."""
        rngs = [np.random.default_rng([seed, 0]) for seed in batch.seeds[:: self.together]]
        numbers = np.repeat([rng.integers(len(self.warps)) for rng in rngs], self.together)
        warps = torch.from_numpy(numbers).to(batch.classes.device)
        classes = batch.classes + warps * self.n_speakers
        return replace(batch, classes=classes, for_features={"warps": warps})

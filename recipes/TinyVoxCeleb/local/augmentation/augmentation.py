"""Parts that each change some crops of a batch, as the seed of each crop has it."""

import zlib
from collections import Counter
from dataclasses import replace

import numpy as np
import torch
from speechbrain.utils.autocast import fwd_default_precision

from local.errors import RecipeError


class Part(torch.nn.Module):
    """One way of changing signals or features, each with a probability of its own.

    A subclass has `draw(rng)`, which gives the random numbers of one crop as a tuple of floats or
    arrays, and `change(chosen, others, *drawn)`, which gets what to change, of shape (chosen, ...),
    the batch as it came in, with which of it is of other speakers, of shape (chosen, batch), and
    what was drawn, of shape (chosen, ...).

    Arguments
    ---------
    probability : float
        Share of the crops that are changed, from 0 to 1.

    Raises
    ------
    RecipeError
        It is not a probability.
    """

    def __init__(self, probability):
        super().__init__()
        self.probability = checked_probability(probability, self)

    def forward(self, batch, generators, speakers):
        """Change some of a batch.

        Arguments
        ---------
        batch : torch.Tensor
            Shape (batch, ...).
        generators : list of numpy.random.Generator
            One a crop.
        speakers : torch.Tensor
            Whose crops they are, shape (batch,).

        Returns
        -------
        torch.Tensor
            Of the same shape.
        """
        rows = [row for row, rng in enumerate(generators) if rng.random() < self.probability]
        if not rows:
            return batch
        drawn = zip(*(self.draw(generators[row]) for row in rows), strict=True)
        drawn = [torch.as_tensor(np.array(values), device=batch.device) for values in drawn]
        drawn = [values.float() if values.is_floating_point() else values for values in drawn]
        chosen = torch.tensor(rows, device=batch.device)
        others = batch, speakers[chosen, None] != speakers
        return batch.index_copy(0, chosen, self.change(batch[chosen], others, *drawn))


class Augmentation(torch.nn.Module):
    """Parts one after another.

    All that is random about a crop follows from its seed, so from (seed, epoch, utterance, number
    of the crop), and from the part: not from the batch it is in, from other parts, or from the
    number of workers. SpeechBrain's Augmenter draws from torch's common generator instead, and
    often the same for all of a batch. (Babble is made of the crops beside it; several processes
    share a batch, so theirs differs. SpeedPerturbation may play neighbours alike.)

    Arguments
    ---------
    parts : list of Part
    probability : float
        Share of the crops that any part changes: the others stay as they are recorded.

    Example
    -------
    >>> from local.augmentation.level import Clipping
    >>> augmentation = Augmentation([Clipping(probability=1.0)])
    >>> signals = torch.randn(2, 16000)
    >>> augmentation(signals, [1, 2]).shape
    torch.Size([2, 16000])
    """

    def __init__(self, parts, probability=1.0):
        super().__init__()
        self.parts = torch.nn.ModuleList(parts)
        self.probability = checked_probability(probability, self)
        kinds, self.names = Counter(), []
        for part in self.parts:
            kind = type(part).__name__
            kinds[kind] += 1
            self.names.append(f"{kind} {kinds[kind]}")

    @fwd_default_precision
    @torch.no_grad()
    def forward(self, batch, seeds, speakers=None):
        """Change a batch.

        Arguments
        ---------
        batch : torch.Tensor
            Waveforms (batch, time), or features (batch, frames, n_features).
        seeds : list of int
            One a crop, from 0 on.
        speakers : torch.Tensor, optional
            Whose crops they are, shape (batch,); each of another one, if not given.

        Returns
        -------
        torch.Tensor
            Of the same shape.
        """
        rows = [
            row for row, rng in enumerate(_of_each(seeds, "any")) if rng.random() < self.probability
        ]
        if not rows:
            return batch
        if speakers is None:
            speakers = torch.arange(len(batch), device=batch.device)
        chosen = torch.tensor(rows, device=batch.device)
        changed, speakers = batch[chosen], speakers[chosen]
        for name, part in zip(self.names, self.parts, strict=True):
            changed = part(changed, _of_each([seeds[row] for row in rows], name), speakers)
        return batch.index_copy(0, chosen, changed)


class CropAugmentation(Augmentation):
    """Speeds, which make speakers, and then parts, for the crops that a training loader reads.

    Arguments
    ---------
    parts : list of Part
    probability : float
        Share of the crops that any part changes; speeds are apart from it.
    speed_perturbation : SpeedPerturbation, optional
    """

    def __init__(self, parts, probability=1.0, speed_perturbation=None):
        super().__init__(parts, probability)
        self.speed_perturbation = speed_perturbation

    def forward(self, batch):
        """Change a Batch; its classes change with the speeds."""
        signals, classes = batch.signals, batch.classes
        if self.speed_perturbation is not None:
            signals, classes = self.speed_perturbation(signals, classes, batch.seeds)
        signals = super().forward(signals, batch.seeds, batch.classes)
        return replace(batch, signals=signals, classes=classes)

    def labels(self, speakers):
        """Names of the classes, from the names of the speakers."""
        if self.speed_perturbation is None:
            return speakers
        return self.speed_perturbation.labels(speakers)


def checked_probability(probability, owner):
    """A probability, or a RecipeError."""
    if not 0 <= probability <= 1:
        raise RecipeError(
            f"augmentation {type(owner).__name__}: probability {probability}: expected 0 to 1"
        )
    return probability


def _of_each(seeds, name):
    """The random generator of each crop for a part."""
    number = zlib.crc32(name.encode())
    return [np.random.default_rng([seed, number]) for seed in seeds]

"""Parts that each change some crops of a batch, as the seed of each crop has it."""

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from speechbrain.utils.autocast import fwd_default_precision
from torch import Tensor

from local.augmentation.voices import VocalTracts
from local.dataset import Batch
from local.errors import RecipeError

RECORDED = ("recordings", "rooms")  # attributes of parts


class Part(torch.nn.Module):
    """One way of changing signals or features; `probability` is the share of crops it changes.

    A subclass has two methods. `draw(rng)` returns the random numbers of one crop, a tuple of
    floats or arrays. `change(chosen, others, *drawn)` returns the changed crops: `chosen` are those
    to change, of shape (chosen, ...), and what was drawn for them has the shape (chosen, ...) too.
    `others` is a pair: the whole batch before the change, and a tensor (chosen, batch) that tells
    for each crop to change which crops of the batch are of other speakers.

    Raises
    ------
    RecipeError
        A probability outside of 0 to 1.
    """

    def __init__(self, probability: float):
        super().__init__()
        self.probability = _checked_probability(probability, self)

    def forward(
        self, batch: Tensor, generators: list[np.random.Generator], speakers: Tensor
    ) -> Tensor:
        """Change some of a batch (batch, ...), with the generator and the speaker of each crop."""
        rows = [row for row, rng in enumerate(generators) if rng.random() < self.probability]
        if not rows:
            return batch
        drawn = zip(*(self.draw(generators[row]) for row in rows), strict=True)
        drawn = [torch.as_tensor(np.array(values), device=batch.device) for values in drawn]
        drawn = [values.float() if values.is_floating_point() else values for values in drawn]
        chosen = torch.tensor(rows, device=batch.device)
        others = batch, speakers[chosen, None] != speakers
        return batch.index_copy(0, chosen, self.change(batch[chosen], others, *drawn))


class OneOf(Part):
    """Change each crop by one of several parts, each as often as the others.

    So SpeechBrain's VoxCeleb recipe trains, with its Augmenter's `parallel_augment`: on a batch as
    it is, beside copies of it of which each is changed in one way. Here a crop is one of these.
    With `keep`, the crop as it is counts as one more way. The parts have their own probabilities,
    1 as a rule.
    """

    def __init__(self, parts: list[Part], *, keep: bool = True):
        super().__init__(probability=1.0)
        self.parts = torch.nn.ModuleList(parts)
        self.keep = keep

    def forward(
        self, batch: Tensor, generators: list[np.random.Generator], speakers: Tensor
    ) -> Tensor:
        """As of `Part`."""
        numbers = [rng.integers(len(self.parts) + self.keep) for rng in generators]
        for number, part in enumerate(self.parts):
            rows = [row for row, drawn in enumerate(numbers) if drawn == number]
            if rows:
                chosen = torch.tensor(rows, device=batch.device)
                changed = part(batch[chosen], [generators[row] for row in rows], speakers[chosen])
                batch = batch.index_copy(0, chosen, changed)
        return batch


class Augmentation(torch.nn.Module):
    """Parts one after another; `probability` is the share of crops that any part changes.

    All that is random about a crop follows from its seed, so from (seed, epoch, utterance, number
    of the crop), and from the part: not from the batch it is in, from other parts, or from the
    number of workers. SpeechBrain's Augmenter draws from torch's common generator instead, and
    often the same for all of a batch. (Babble is made of the crops beside it; several processes
    share a batch, so theirs differs. VocalTracts may warp neighbours alike.)

    Example
    -------
    >>> from local.augmentation import Clipping
    >>> augmentation = Augmentation([Clipping(probability=1.0)])
    >>> signals = torch.randn(2, 16000)
    >>> augmentation(signals, [1, 2]).shape
    torch.Size([2, 16000])
    """

    def __init__(self, parts: list[Part], probability: float = 1.0):
        super().__init__()
        self.parts = torch.nn.ModuleList(parts)
        self.probability = _checked_probability(probability, self)
        kinds, self.names = Counter(), []
        for part in self.parts:
            kind = type(part).__name__
            kinds[kind] += 1
            self.names.append(f"{kind} {kinds[kind]}")

    @fwd_default_precision
    @torch.no_grad()
    def forward(
        self, batch: Tensor, seeds: Sequence[int], speakers: Tensor | None = None
    ) -> Tensor:
        """Change waveforms (batch, time) or features (batch, frames, n_features).

        Each crop has a seed, from 0 on. Without `speakers` (batch,), each is of another speaker.
        """
        generators = enumerate(_generators(seeds, "any"))
        rows = [row for row, rng in generators if rng.random() < self.probability]
        if not rows:
            return batch
        if speakers is None:
            speakers = torch.arange(len(batch), device=batch.device)
        chosen = torch.tensor(rows, device=batch.device)
        changed, speakers = batch[chosen], speakers[chosen]
        for name, part in zip(self.names, self.parts, strict=True):
            changed = part(changed, _generators([seeds[row] for row in rows], name), speakers)
        return batch.index_copy(0, chosen, changed)


class CropAugmentation(Augmentation):
    """The augmentation of training crops: the parts, and other voices, if there are any.

    Voices make new classes and apply to all crops; `probability` is about the parts alone.
    """

    def __init__(
        self,
        parts: list[Part],
        probability: float = 1.0,
        voices: VocalTracts | None = None,
    ):
        super().__init__(parts, probability)
        self.voices = voices

    def forward(self, batch: Batch) -> Batch:
        """Change the signals, and the classes with the voices."""
        signals = super().forward(batch.signals, batch.seeds, batch.classes)
        batch = replace(batch, signals=signals)
        return batch if self.voices is None else self.voices(batch)

    @property
    def recordings(self) -> str:
        """A text for the recordings of noise and rooms in all parts; "" where there are none."""
        named = [getattr(part, key, None) for part in self.parts.modules() for key in RECORDED]
        return ", ".join(found.content for found in named if hasattr(found, "content"))

    def labels(self, speakers: list[str]) -> list[str]:
        """Names of the classes, from the names of the speakers."""
        return speakers if self.voices is None else self.voices.labels(speakers)


def _checked_probability(probability, owner):
    if not 0 <= probability <= 1:
        raise RecipeError(
            f"augmentation {type(owner).__name__}: probability {probability}: expected 0 to 1"
        )
    return probability


def _generators(seeds, name):
    """The random generator of each crop for the part of that name."""
    number = zlib.crc32(name.encode())
    return [np.random.default_rng([seed, number]) for seed in seeds]

"""How loud the speech is that a network was trained on."""

import numpy as np
import torch

from local.corpora.speech import SAMPLE_RATE, SpeechDetector, find_network, speech_level
from local.errors import RecipeError
from local.shards import MappedShards, ShardIndex
from local.shards.audio import FULL_SCALE

UTTERANCES, SECONDS = 50, 10  # what is listened to: so many, and of each the beginning


def check_detector() -> None:
    """Check that there is what `training_level` needs, before a training and not at its end.

    Raises
    ------
    RecipeError
        A package is not installed.
    """
    try:
        find_network()
    except ImportError as error:
        raise RecipeError(f"{error}; the same command carries on") from None


def training_level(*indexes: ShardIndex) -> float | None:
    """The median level of speech in shards, in dB relative to full scale; None if there is none.

    Some utterances of the first of the indexes whose shards are mapped are listened to, without
    their offset. See also `check_detector`.
    """
    check_detector()
    index = next(index for index in indexes if index.mapped)
    shards = MappedShards(index)
    signals = []
    for row in np.unique(np.linspace(0, len(index) - 1, UTTERANCES).round().astype(int)).tolist():
        num_frames = min(index.num_frames.item(row), SECONDS * SAMPLE_RATE)
        samples = shards.samples(row, num_frames=num_frames).astype(np.float32) / FULL_SCALE
        signals.append(torch.from_numpy(samples - samples.mean()))
    pairs = zip(signals, SpeechDetector()(signals), strict=True)
    levels = [speech_level(signal, speech) for signal, speech in pairs if speech.any()]
    return float(np.median(levels).round(1)) if levels else None

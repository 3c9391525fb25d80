"""Speech by which an exported network is compared and quantised: what it was trained on, or voices
of the formant synthesiser where that is not at hand."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from local.corpora.artificial_voices import draw_voice, record, speak
from local.errors import RecipeError
from local.experiment import training_shards
from local.layout import SAMPLE_RATE
from local.shards import MappedShards, index_shards, list_shards
from local.shards.audio import FULL_SCALE

VOICE_SECONDS = 4.0


class Speech:
    """An endless flow of speech, always the same one, that can be asked for signals of any length.

    Arguments
    ---------
    bundle : Path
        Whose record tells where the training shards are.

    Attributes
    ----------
    origin : str
        For the user: whose speech it is.
    """

    def __init__(self, bundle: Path):
        try:
            folders = training_shards(bundle)
            index = index_shards([shard for folder in folders for shard in list_shards(folder)])
            shards = MappedShards(index)
            self.origin, self._utterances = "its training speech", _utterances(shards)
        except RecipeError:  # moved, removed or on a server: no error of an export
            self.origin, self._utterances = "artificial voices", _voices()
        self._rest = np.zeros(0, np.float32)

    def take(self, seconds: float) -> np.ndarray:
        """The next so many seconds, float32 of shape (time,), without offset."""
        length = round(seconds * SAMPLE_RATE)
        parts, missing = [self._rest], length - len(self._rest)
        while missing > 0:
            parts.append(next(self._utterances))
            missing -= len(parts[-1])
        signal = np.concatenate(parts)
        self._rest = signal[length:]
        return signal[:length] - signal[:length].mean()


def _utterances(shards) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    while True:
        for row in rng.permutation(len(shards.index)).tolist():
            yield shards.samples(row).astype(np.float32) / FULL_SCALE


def _voices() -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    while True:
        voice = draw_voice(rng, "fm"[rng.integers(2)])
        yield record(speak(voice, rng, VOICE_SECONDS), rng).astype(np.float32)

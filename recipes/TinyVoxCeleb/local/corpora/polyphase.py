"""Audio of any sampling rate at another one, block by block.

A copy of this file lies in each inference bundle, so it imports nothing of the recipe.
"""

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import torch
from scipy.signal import resample_poly

BLOCK_SECONDS = 20  # what is in memory at a time, however long a recording is
RATES = 1000, 1_000_000  # Hz; a filter between others would need gigabytes, and no speech has them


def resampled(
    read: Callable[[int], np.ndarray], rate: int, target: int, block_seconds: int = BLOCK_SECONDS
) -> Iterator[np.ndarray]:
    """Resample a mono signal of shape (time,) from one rate to another; gives blocks of it.

    SciPy's polyphase filter takes any rate; torchaudio's (SpeechBrain's AudioNormalizer) tabulates
    its kernel for every output phase: 23 GB and a minute for 44,099 Hz. Blocks are whole seconds,
    so that each starts on a sample of either rate, and overlap by more than the filter's length:
    the result is that of filtering the whole recording.

    Arguments
    ---------
    read
        Gives as many of the next samples as it is asked for, fewer only at the end.

    Raises
    ------
    ValueError
        A rate that no recording of speech has.
    """
    if not RATES[0] <= rate <= RATES[1]:
        raise ValueError(f"a sampling rate of {rate} Hz, expected {RATES[0]} to {RATES[1]}")
    before = np.zeros(0, np.float32)  # one second of context, one not yet given out
    done = 0
    last = False
    while not last:
        block = read(block_seconds * rate)
        last = len(block) < block_seconds * rate
        block = np.concatenate([before, block])
        signal = resample_poly(block, target, rate)
        yield signal[done : None if last else -target]
        before, done = block[-2 * rate :], target


def to_16khz(audio: torch.Tensor, sample_rate: int) -> torch.Tensor:
    """What SpeechBrain's AudioNormalizer makes of a signal: the mean of its channels at 16 kHz.

    The audio is of shape (time,) or (time, channels); gives (time,).
    """
    signal = audio.cpu().numpy()
    signal = signal if signal.ndim == 1 else signal.mean(axis=1)
    place = itertools.count(0, BLOCK_SECONDS * sample_rate)

    def read(frames):
        start = next(place)
        return signal[start : start + frames]

    blocks = list(resampled(read, sample_rate, 16000))
    return torch.from_numpy(np.concatenate(blocks)).to(audio.device)

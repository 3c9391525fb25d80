"""Audio of any number of channels and any sampling rate as mono at another rate, block by block.

A copy of this file lies in each inference bundle, and in speaker_onnx.py, so it imports nothing of
the recipe, and SciPy and torch only where they are needed.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

BLOCK_SECONDS = 20  # what is in memory at a time, however long a recording is
RATES = 1000, 200_000  # Hz; filters for others would take seconds and gigabytes; no speech has them

CANCELLED = 0.25  # share of the power that the mean of unrelated channels has
INVERTED = 0.7  # correlation of a channel with another that is turned round, and how far beyond
MARGIN = 0.1  # that with the same as it is
DELAY = 16, 500  # samples, and the share of a second, of their delay: the larger counts
TOLERATED = 0.1  # share of a recording's power in seconds that cancel


def louder_channel(seconds: Iterable[np.ndarray]) -> int | None:
    """The number of the louder channel, if the channels cancel; else None: their mean is right.

    Arguments
    ---------
    seconds
        The recording in blocks of shape (time, channels), of a second each: a part that cancels is
        found, and a moment of it changes nothing.

    Example
    -------
    >>> left = np.sin(np.arange(16000))
    >>> louder_channel([np.stack([0.5 * left, -0.6 * left], axis=1)])
    1
    """
    powers, cancelled = 0.0, 0.0
    with np.errstate(invalid="ignore", over="ignore"):  # NaN and infinity are found elsewhere
        for block in seconds:
            power = block.var(axis=0, dtype=np.float64)  # without the offset
            mixed = block.mean(axis=1).var(dtype=np.float64)
            powers += power * len(block)
            if mixed < CANCELLED * power.mean() / len(power) or _is_inverted(block, power):
                cancelled += power.sum() * len(block)
    return int(np.argmax(powers)) if cancelled > TOLERATED * np.sum(powers) else None


def _is_inverted(block, power):
    """Whether one of the louder channels is another turned round, perhaps a moment apart.

    Their mean then loses what is slow against the delay, and other tones become louder.
    """
    loudest = int(np.argmax(power))
    others = [k for k in range(len(power)) if k != loudest and power[k] > 0.1 * power[loudest]]
    if not others or len(block) < 4 * DELAY[0]:
        return False
    delay = max(DELAY[0], len(block) // DELAY[1])
    centred = block - block.mean(axis=0)
    size = 1 << (len(block) + delay - 1).bit_length()  # fast, and long enough
    spectra = np.fft.rfft(centred, size, axis=0)
    for other in others:
        products = np.fft.irfft(spectra[:, loudest].conj() * spectra[:, other], size)
        near = np.concatenate([products[: delay + 1], products[-delay:]])
        near = near / (len(block) * np.sqrt(power[loudest] * power[other]))
        if -near.min() > max(INVERTED, near.max() + MARGIN):
            return True
    return False


def mono(block: np.ndarray, channel: int | None) -> np.ndarray:
    """The mean of the channels of a block of shape (time, channels), or the one of this number."""
    return block.mean(axis=1) if channel is None else block[:, channel]


def resampled(
    read: Callable[[int], np.ndarray],
    rate: int,
    target: int,
    block_seconds: int = BLOCK_SECONDS,
    resample: Callable[[np.ndarray, int, int], np.ndarray] | None = None,
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
    resample
        What stands for SciPy's `resample_poly` where there is no SciPy.

    Raises
    ------
    ValueError
        A rate that no recording of speech has.
    """
    if not RATES[0] <= rate <= RATES[1]:
        raise ValueError(f"a sampling rate of {rate} Hz, expected {RATES[0]} to {RATES[1]}")
    if resample is None:
        from scipy.signal import resample_poly as resample
    before = np.zeros(0, np.float32)  # one second of context, one not yet given out
    done = 0
    last = False
    while not last:
        block = read(block_seconds * rate)
        last = len(block) < block_seconds * rate
        block = np.concatenate([before, block])
        signal = resample(block, target, rate)
        yield signal[done : None if last else -target]
        before, done = block[-2 * rate :], target


def to_16khz(audio: "torch.Tensor", sample_rate: int) -> "torch.Tensor":
    """What SpeechBrain's AudioNormalizer makes of a signal: the mean of its channels at 16 kHz.

    Of channels that cancel, it is the louder. The audio is of shape (time,) or (time, channels);
    gives (time,).
    """
    import torch  # here: an exported network works without it

    signal = audio.cpu().numpy()
    if signal.ndim == 2:
        seconds = range(0, len(signal), sample_rate)
        signal = mono(signal, louder_channel(signal[t : t + sample_rate] for t in seconds))
    place = itertools.count(0, BLOCK_SECONDS * sample_rate)

    def read(frames):
        start = next(place)
        return signal[start : start + frames]

    blocks = list(resampled(read, sample_rate, 16000))
    return torch.from_numpy(np.concatenate(blocks)).to(audio.device)

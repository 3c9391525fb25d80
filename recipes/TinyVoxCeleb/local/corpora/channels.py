"""Channels of a recording that cancel, so that their mean would be silence."""

from collections.abc import Iterable

import numpy as np

CANCELLED = 0.25  # share of the power that the mean of unrelated channels has
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
            if mixed < CANCELLED * power.mean() / len(power):
                cancelled += power.sum() * len(block)
    return int(np.argmax(powers)) if cancelled > TOLERATED * np.sum(powers) else None

"""SciPy's resample_poly in NumPy alone: the same filter, a windowed sinc, phase by phase.

It goes into speaker_onnx.py, which needs no SciPy, so it imports nothing of the recipe.
"""

import numpy as np


def resample(signal: np.ndarray, up: int, down: int) -> np.ndarray:
    """Resample a float32 signal of shape (time,) by the ratio of two whole numbers.

    Example
    -------
    >>> signal = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    >>> from scipy.signal import resample_poly
    >>> bool(np.abs(resample(signal, 160, 441) - resample_poly(signal, 160, 441)).max() < 1e-6)
    True
    """
    up, down = up // np.gcd(up, down), down // np.gcd(up, down)
    if up == down:
        return signal.copy()
    half, count = 10 * max(up, down), -(-len(signal) * up // down)
    sinc = np.sinc(np.arange(-half, half + 1) / max(up, down)) * np.kaiser(2 * half + 1, 5.0)
    taps = -(-len(sinc) // up)
    phases = np.pad((sinc / sinc.sum()).astype(np.float32) * np.float32(up), (0, taps * up))
    phases = np.ascontiguousarray(phases[: taps * up].reshape(taps, up)[::-1].T)
    padded = np.pad(signal, (taps - 1, taps + half // up + 1))
    heard = np.lib.stride_tricks.sliding_window_view(padded, taps)
    output = np.empty(count, np.float32)
    for first in range(min(up, count)):
        place = first * down + half
        places = output[first::up]
        places[:] = heard[place // up :: down][: len(places)] @ phases[place % up]
    return output

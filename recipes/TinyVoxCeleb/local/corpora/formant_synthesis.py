"""A formant synthesiser: glottal pulses and noise through a cascade of resonators.

After D. Klatt, "Software for a cascade/parallel formant synthesizer", JASA 67 (1980), with the
glottal pulse of A. Rosenberg, "Effect of glottal pulse shape on the quality of natural vowels",
JASA 49 (1971).
"""

import numpy as np
from scipy.signal import lfilter

from local.layout import SAMPLE_RATE

FRAME = 80  # samples (5 ms, as in Klatt 1980) for which the resonators stay the same


def glottal_source(
    f0: np.ndarray,
    *,
    rng: np.random.Generator,
    open_quotient: float = 0.6,
    jitter: float = 0.01,
    shimmer: float = 0.05,
) -> tuple[np.ndarray, np.ndarray]:
    """Make a train of Rosenberg's trigonometric pulses, differentiated as by the lips' radiation.

    Arguments
    ---------
    f0 :
        Fundamental frequency in Hz, shape (time,).
    open_quotient :
        Part of the period in which the glottis is open; it opens in two thirds of that.
    jitter, shimmer :
        Standard deviations of the period and of the amplitude from cycle to cycle, relative.

    Returns
    -------
    The pulses, and the opening of the glottis, in about [0, 1]; each of shape (time,).
    """
    cycle = np.cumsum(f0 / SAMPLE_RATE).astype(int)
    wander = rng.standard_normal((2, cycle[-1] + 2))
    phase = np.cumsum(f0 / SAMPLE_RATE * (1 + jitter * wander[0, cycle]).clip(0.5, 1.5))
    cycle = np.minimum(phase.astype(int), wander.shape[1] - 1)
    place = phase % 1
    rise, fall = open_quotient * 2 / 3, open_quotient / 3
    opening = np.where(
        place < rise,
        (1 - np.cos(np.pi * place / rise)) / 2,
        np.cos(np.pi / 2 * np.minimum((place - rise) / fall, 1)),
    )
    opening *= 1 + shimmer * wander[1, cycle]
    return np.diff(opening, prepend=0), opening


def resonate(source: np.ndarray, formants: np.ndarray, bandwidths: np.ndarray) -> np.ndarray:
    """Filter a source of shape (frames * FRAME,) through resonators in cascade, one a formant.

    Formants are centre frequencies in Hz, shape (frames, formants); bandwidths are in Hz, too, of a
    shape that broadcasts to that of the formants.
    """
    frames, order = len(formants), 2 * formants.shape[1]
    radius = np.exp(-np.pi * np.broadcast_to(bandwidths, formants.shape) / SAMPLE_RATE)
    # The cascade of each frame as one all-pole filter: a call of lfilter costs more than its work.
    poles = np.zeros((frames, order + 1))
    poles[:, 0] = 1
    first = -2 * radius * np.cos(2 * np.pi * formants / SAMPLE_RATE)
    for a1, a2 in zip(first.T[..., None], (radius**2).T[..., None], strict=True):
        poles[:, 2:] += a1 * poles[:, 1:-1] + a2 * poles[:, :-2]
        poles[:, 1] += a1[:, 0]
    gains = poles.sum(axis=1)  # makes it 1 at 0 Hz
    output = np.empty_like(source)
    state = np.zeros(order)
    for frame in range(frames):
        part = slice(frame * FRAME, (frame + 1) * FRAME)
        output[part], state = lfilter(
            gains[frame : frame + 1], poles[frame], source[part], zi=state
        )
    return output


def hiss(length: int, *, rng: np.random.Generator, centre: float, bandwidth: float) -> np.ndarray:
    """Noise of one broad resonance, as behind a fricative's constriction or a stop's burst.

    The centre and the bandwidth of the resonance are in Hz. The noise has about unit variance, soft
    ends and the shape (length,).
    """
    radius = np.exp(-np.pi * bandwidth / SAMPLE_RATE)
    pole = [1, -2 * radius * np.cos(2 * np.pi * centre / SAMPLE_RATE), radius**2]
    noise = lfilter([1, -1], pole, rng.standard_normal(length))
    return noise / (noise.std() + 1e-9) * np.sin(np.linspace(0, np.pi, length)) ** 0.5


def tilt(signal: np.ndarray, amount: float) -> np.ndarray:
    """Darken (0 < amount < 1) or brighten (-1 < amount < 0) a signal with a first-order filter.

    The amount is the pole of the low-pass, or the zero of the high-pass.
    """
    if amount < 0:
        return lfilter([1, amount], [1], signal)
    return lfilter([1 - amount], [1, -amount], signal)

"""Sounds that are no speech, each of 3 s and drawn from a generator; and a voice."""

import numpy as np
import scipy.signal

from local.corpora.artificial_voices import draw_voice, record, speak

RATE = 16000
TIME = np.arange(3 * RATE) / RATE


def _noise(rng, slope):
    spectrum = np.fft.rfft(rng.standard_normal(len(TIME)))
    signal = np.fft.irfft(spectrum * (np.arange(len(spectrum)) + 5) ** slope, len(TIME))
    return 0.5 * signal / np.abs(signal).max()


def white(rng):
    return _noise(rng, 0)


def pink(rng):
    return _noise(rng, -0.5)


def hiss(rng):
    return 0.1 * _noise(rng, 1)


def hum(rng):
    phases = rng.uniform(0, 6, 12)
    return 0.05 * sum(
        np.sin(2 * np.pi * 50 * n * TIME + phase) / n for n, phase in enumerate(phases, 1)
    )


def sine(rng):
    return 0.3 * np.sin(2 * np.pi * rng.uniform(100, 3000) * TIME)


def clicks(rng):
    signal = 1e-4 * rng.standard_normal(len(TIME))
    signal[rng.integers(0, len(TIME), 20)] = rng.uniform(-0.9, 0.9, 20)
    return signal


def chords(rng):
    """Three notes at a time, each of five partials, that die away."""
    signal = np.zeros(len(TIME))
    for start in range(0, len(TIME), 6000):
        time = TIME[: len(TIME[start : start + 6000])]
        for note in rng.choice(13, 3, replace=False):
            for partial in range(1, 6):
                hertz = 220 * 2 ** (note / 12) * partial
                signal[start : start + 6000] += np.sin(2 * np.pi * hertz * time) / partial
        signal[start : start + 6000] *= np.exp(-4 * time)
    return 0.5 * signal / np.abs(signal).max()


def sweep(rng):
    return 0.4 * scipy.signal.chirp(TIME, 100, 3, 6000)


def two_floors(rng):
    return np.where(TIME < 1.5, 0.01 * white(rng), 0.2 * pink(rng))


def silence(rng):
    return np.zeros(len(TIME))


def offset(rng):
    return np.full(len(TIME), 0.2)


SOUNDS = (white, pink, hiss, hum, sine, clicks, chords, sweep, two_floors, silence, offset)


def voice(rng):
    """Somebody, who says something."""
    return record(speak(draw_voice(rng, "fm"[rng.integers(2)]), rng, 3.0), rng)

"""Artificial voices, made for tests and for machines without any speech.

A voice has a pitch, a vocal tract length, formants and a spectral tilt of its own; it says random
syllables. The sexes differ about as in Peterson & Barney, "Control methods used in a study of the
vowels", JASA 24 (1952).
"""

from dataclasses import dataclass

import numpy as np

from local.corpora.formant_synthesis import FRAME, glottal_source, hiss, resonate, tilt
from local.layout import SAMPLE_RATE

# F1, F2, F3 in Hz: averages of 33 men (Peterson & Barney 1952, table II), "heed" to "heard".
VOWELS = np.array(
    [
        (270, 2290, 3010),
        (390, 1990, 2550),
        (530, 1840, 2480),
        (660, 1720, 2410),
        (730, 1090, 2440),
        (570, 840, 2410),
        (440, 1020, 2240),
        (300, 870, 2240),
        (640, 1190, 2390),
        (490, 1350, 1690),
    ]
)
HIGHER_FORMANTS = (3300, 3750, 4900)  # Hz, the same for all vowels (Klatt 1980, table I)
BANDWIDTHS = np.array([60, 80, 110, 200, 250, 1000])  # Hz, about those of Klatt 1980


@dataclass
class Voice:
    """What distinguishes a speaker.

    Attributes
    ----------
    f0 : float
        Mean fundamental frequency in Hz.
    f0_range : float
        Standard deviation of its movement in semitones.
    formant_scale : numpy.ndarray
        Factor on each formant: vocal tract length and habits, shape (6,).
    tilt : float
        Pole of the source's low-pass.
    breath : float
        Level of aspiration noise beside that of the pulses, 1.
    syllable : float
        Mean length of a vowel in seconds.
    hiss : float
        Centre of fricatives in Hz.
    """

    f0: float
    f0_range: float
    formant_scale: np.ndarray
    bandwidth_scale: float
    tilt: float
    breath: float
    syllable: float
    hiss: float


def draw_voice(rng: np.random.Generator, gender: str) -> Voice:
    """Draw the voice of a speaker whose gender is "f" or "m"."""
    # Women's tracts are shorter: their formants in Peterson & Barney lie about 16 % higher.
    f0, tract = {"f": (210, 1.16), "m": (120, 1.0)}[gender]
    tract *= np.exp(rng.normal(0, 0.07))
    return Voice(
        f0=f0 * np.exp(rng.normal(0, 0.15)),
        f0_range=rng.uniform(1, 3),
        formant_scale=tract * np.exp(rng.normal(0, 0.08, len(BANDWIDTHS))),
        bandwidth_scale=np.exp(rng.normal(0, 0.2)),
        tilt=rng.uniform(0.3, 0.9),
        breath=np.exp(rng.normal(-1.7, 0.5)),
        syllable=rng.uniform(0.10, 0.20),
        hiss=rng.uniform(3500, 6000) * tract**0.5,
    )


def speak(voice: Voice, rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Let a voice say random syllables: samples at 16 kHz, whose level is set by `record`.

    The generator says what is spoken, not who speaks.
    """
    frames = round(seconds * SAMPLE_RATE / FRAME)
    vowels, loudness, consonants = _syllables(voice, rng, frames)
    formants = _smooth(vowels, 12) * voice.formant_scale
    # Intonation falls through the utterance and moves smoothly about that line.
    semitones = _smooth(rng.normal(0, 1, (frames, 1)), 60)[:, 0]
    semitones *= voice.f0_range / (semitones.std() + 1e-9)
    semitones += np.linspace(1, -1, frames)
    time = np.arange(frames * FRAME) / FRAME
    f0 = voice.f0 * 2 ** (np.interp(time, np.arange(frames), semitones) / 12)
    source, opening = glottal_source(f0, rng=rng)
    source = tilt(source, voice.tilt)
    source /= source.std() + 1e-9
    source += voice.breath * rng.standard_normal(len(source)) * (0.3 + opening)
    source *= np.interp(time, np.arange(frames), _smooth(loudness[:, None], 8)[:, 0])
    signal = resonate(source, formants, BANDWIDTHS * voice.bandwidth_scale)
    for start, length, level in consonants:
        part = signal[start * FRAME : (start + length) * FRAME]
        part += level * signal.std() * hiss(len(part), rng=rng, centre=voice.hiss, bandwidth=1500)
    return signal


def _syllables(voice, rng, frames):
    """Formant targets (frames, 6), loudness (frames,) and consonants (start, length, level)."""
    targets = np.empty((frames, len(BANDWIDTHS)))
    loudness = np.zeros(frames)
    consonants = []
    per_second = SAMPLE_RATE / FRAME
    now = 0
    while now < frames:
        vowel = (*VOWELS[rng.integers(len(VOWELS))], *HIGHER_FORMANTS)
        silence = round(per_second * rng.uniform(0.04, 0.1))
        if rng.random() < 0.08:
            silence += round(per_second * rng.uniform(0.1, 0.3))  # a pause
        kind = rng.random()
        if kind < 0.4:  # a fricative fills the gap
            length = silence
            consonants.append((now, length, 0.4 * rng.uniform(0.5, 1)))
        elif kind < 0.8:  # a stop bursts at its end
            length = 4
            consonants.append((now + silence - length, length, rng.uniform(0.5, 1)))
        length = round(per_second * voice.syllable * rng.uniform(0.6, 1.6))
        end = now + silence + length
        targets[now:end] = vowel
        loudness[now + silence : end] = rng.uniform(0.6, 1)
        now = end
    return targets, loudness, [c for c in consonants if c[0] + c[1] <= frames]


def _smooth(track, width):
    """Average each column of (frames, columns) with a window, the ends repeated."""
    window = np.hanning(2 * width + 1)
    window /= window.sum()
    padded = np.pad(track, ((width, width), (0, 0)), mode="edge")
    return np.stack([np.convolve(column, window, "valid") for column in padded.T], axis=1)


def record(signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Put a voice on a recording: a microphone's tilt, background noise and a level.

    That is -30 to -22 dBFS on average, and nowhere beyond full scale.
    """
    signal = tilt(signal, rng.uniform(-0.2, 0.2))
    signal /= signal.std() + 1e-9
    noise = tilt(rng.standard_normal(len(signal)), rng.uniform(0.3, 0.7))
    signal += noise / noise.std() * 10 ** (-rng.uniform(25, 35) / 20)
    signal *= 10 ** (rng.uniform(-30, -22) / 20)
    return signal * min(1, 0.99 / np.abs(signal).max())

"""Pictures of the page: what a recording looks like, and where a score lies."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from local.layout import SAMPLE_RATE
from local.people.comparing import Verification

LONGEST = 60  # seconds of a recording that are drawn
EXTENT = 12.0  # of the scale of log-likelihood ratios, at least


def draw_recording(signal: np.ndarray, title: str) -> np.ndarray:
    """Waveform and spectrogram of a signal at 16 kHz, shape (time,), as (height, width, 3)."""
    signal = signal[: LONGEST * SAMPLE_RATE]
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    wave, spectrum = figure.subplots(2, 1, sharex=True)
    step = max(len(signal) // 4000, 1)  # as many as there are pixels, about
    times = np.arange(len(signal)) / SAMPLE_RATE
    wave.plot(times[::step], signal[::step], linewidth=0.5)
    wave.set_title(title, fontsize="medium")
    wave.set_yticks([])
    if len(signal) >= 512:
        noise = 1e-6 * np.random.default_rng(0).standard_normal(len(signal))  # no logarithm of 0
        spectrum.specgram(signal + noise, NFFT=512, Fs=SAMPLE_RATE, noverlap=256, vmin=-120)
    spectrum.set_xlabel("time in s")
    spectrum.set_ylabel("Hz")
    return pixels_of(figure)


def draw_score(found: Verification) -> np.ndarray:
    """A log-likelihood ratio on its scale, with the threshold, as (height, width, 3)."""
    extent = max(EXTENT, 1.1 * abs(found.llr), 1.1 * abs(found.threshold))
    figure = Figure(figsize=(6, 1.4), layout="constrained")
    axes = figure.add_subplot()
    axes.axvspan(-extent, found.threshold, color="tab:orange", alpha=0.25)
    axes.axvspan(found.threshold, extent, color="tab:green", alpha=0.25)
    axes.axvline(found.threshold, color="0.3", linestyle="--")
    axes.plot([found.llr], [0.5], marker="v", markersize=14, color="black")
    for share, text in ((0.02, "different speakers"), (0.98, "same speaker")):
        side = {0.02: "left", 0.98: "right"}[share]
        axes.text(share, 0.85, text, transform=axes.transAxes, ha=side, va="top")
    axes.set_xlim(-extent, extent)
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.set_xlabel("log-likelihood ratio; dashed: the threshold")
    return pixels_of(figure)


def pixels_of(figure: Figure) -> np.ndarray:
    """A figure as (height, width, 3)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()

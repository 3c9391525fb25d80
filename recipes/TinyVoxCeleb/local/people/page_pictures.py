"""What the page draws: a recording, the score of two on a scale, and a timeline."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from local.layout import SAMPLE_RATE
from local.people.comparing import Verification
from local.people.timeline import Segment
from local.people.timeline_picture import draw_timeline, height
from local.report.pictures import INK, LINE, NONTARGET, TARGET, picture

COLUMNS = 600  # of a recording's picture, however long it is
SPECTRUM = 512  # samples that a column of a spectrogram is made of
RANGE = 60  # dB below the loudest that are shown


def recording_picture(name: str, title: str, signal: np.ndarray, speech: np.ndarray) -> Markup:
    """The waveform of a recording, shaded where somebody speaks, over its spectrogram.

    Arguments
    ---------
    name, title
        Of the picture, see `local.report.pictures.picture`.
    signal
        At 16 kHz, shape (time,).
    speech
        Whether somebody speaks, shape (chunks,): chunks of equal length, the last may be shorter.
    """

    def draw(figure):
        wave, spectrogram = figure.subplots(2, sharex=True, height_ratios=(2, 3))
        seconds = len(signal) / SAMPLE_RATE
        bounds = np.linspace(0, len(signal), COLUMNS + 1).astype(int)
        starts = np.unique(bounds[:-1])
        lowest, highest = (of.reduceat(signal, starts) for of in (np.minimum, np.maximum))
        chunk = 512 / SAMPLE_RATE
        edges = np.flatnonzero(np.diff(np.pad(speech.astype(int), 1))).reshape(-1, 2)
        spans = [(first * chunk, (last - first) * chunk) for first, last in edges]
        limit = max(np.abs(signal).max(), 1e-9) * 1.05
        wave.broken_barh(spans, (-limit, 2 * limit), color=TARGET, alpha=0.18, linewidth=0)
        wave.fill_between(starts / SAMPLE_RATE, lowest, highest, color=INK, linewidth=0.4)
        wave.set_ylim(-limit, limit)
        wave.set_yticks([])
        wave.grid(visible=False)
        spectrogram.imshow(
            spectrum(signal),
            extent=(0, seconds, 0, SAMPLE_RATE / 2000),
            aspect="auto",
            origin="lower",
            cmap="magma",
            interpolation="nearest",
        )
        spectrogram.grid(visible=False)
        spectrogram.set_ylabel("kHz")
        spectrogram.set_xlabel("time in s")
        spectrogram.set_xlim(0, seconds)

    return picture(name, title, draw, height=2.6)


def spectrum(signal: np.ndarray) -> np.ndarray:
    """Powers at some hundred times, in dB below the loudest, shape (frequencies, times)."""
    starts = np.unique(np.linspace(0, max(len(signal) - SPECTRUM, 0), COLUMNS // 2).astype(int))
    padded = np.pad(signal, (0, max(SPECTRUM - len(signal), 0)))
    frames = padded[starts[:, None] + np.arange(SPECTRUM)] * np.hanning(SPECTRUM)
    power = np.abs(np.fft.rfft(frames)) ** 2
    return 10 * np.log10(np.maximum(power / max(power.max(), 1e-20), 10 ** (-RANGE / 10))).T


def scale_picture(found: Verification) -> Markup:
    """The log-likelihood ratio of two recordings on a scale, and the threshold on it."""

    def draw(figure):
        axes = figure.add_subplot()
        llr, threshold = found.llr, found.threshold
        reach = 1.15 * max(10, abs(llr - threshold))
        left, right = threshold - reach, threshold + reach
        axes.axvspan(left, threshold, color=NONTARGET, alpha=0.2, linewidth=0)
        axes.axvspan(threshold, right, color=TARGET, alpha=0.2, linewidth=0)
        axes.axvline(threshold, color=INK, linewidth=1.2)
        axes.plot(llr, 0.3, "v", color=INK, markersize=10)
        centred = {"ha": "center", "va": "center"}
        axes.text(threshold - reach / 2, 0.82, "different speakers", **centred)
        axes.text(threshold + reach / 2, 0.82, "same speaker", **centred)
        side = "left" if llr < threshold else "right"
        axes.text(llr, 0.48, f"{llr:.2f}", fontweight="bold", **centred)
        apart = -reach / 40 if side == "right" else reach / 40
        alignment = "right" if side == "right" else "left"
        place = threshold + apart, 0.12
        axes.text(*place, f"threshold {threshold:.2f}", ha=alignment, va="center", color=INK)
        axes.set_xlim(left, right)
        axes.set_ylim(0, 1)
        axes.set_yticks([])
        axes.grid(visible=False)
        axes.spines["left"].set_visible(False)
        axes.spines["bottom"].set_color(LINE)
        axes.set_xlabel("log-likelihood ratio")

    title = f"Log-likelihood ratio {found.llr:.2f}, threshold {found.threshold:.2f}"
    return picture("scale", title, draw, height=1.5)


def timeline_picture(segments: Sequence[Segment], seconds: float) -> Markup:
    """Who speaks when."""

    def draw(figure: Figure):
        draw_timeline(figure, segments, seconds)

    return picture("timeline", "Who speaks when", draw, height=height(segments))

"""A timeline as a picture: one line a person."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from local.files import atomic_file
from local.people.timeline import UNKNOWN, Segment


def height(segments: Sequence[Segment]) -> float:
    """Inches that a picture of these segments is high."""
    return 1 + 0.35 * max(len({part.name for part in segments}), 1)


def draw_timeline(figure: Figure, segments: Sequence[Segment], seconds: float) -> None:
    """Draw who speaks when in a recording of so many seconds; the unknown in grey, below."""
    names = sorted({part.name for part in segments} - {UNKNOWN}, reverse=True)
    lines = [UNKNOWN] * any(part.name == UNKNOWN for part in segments) + names
    axes = figure.add_subplot()
    unit, divisor = ("min", 60) if seconds >= 180 else ("s", 1)
    for row, name in enumerate(lines):
        own = [part for part in segments if part.name == name]
        bars = [(part.start / divisor, (part.end - part.start) / divisor) for part in own]
        colour = "0.6" if name == UNKNOWN else f"C{(len(lines) - 1 - row) % 10}"
        axes.broken_barh(bars, (row - 0.35, 0.7), color=colour)
    axes.set_yticks(range(len(lines)), lines)
    axes.set_ylim(-0.6, max(len(lines), 1) - 0.4)
    axes.set_xlim(0, seconds / divisor)
    axes.set_xlabel(f"time in {unit}")
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x", alpha=0.3)


def write_timeline_picture(
    path: str | Path, segments: Sequence[Segment], recording: str | Path, seconds: float
) -> None:
    """The same as a PNG file, with the name of the recording."""
    with atomic_file(path, "wb") as fout:
        figure = Figure(figsize=(9, height(segments)), layout="constrained")
        draw_timeline(figure, segments, seconds)
        figure.suptitle(Path(recording).name)
        figure.savefig(fout, format="png", dpi=120)

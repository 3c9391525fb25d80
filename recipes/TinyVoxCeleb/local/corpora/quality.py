"""What is wrong with the audio of a corpus although it can be read: counted, with first names."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from local.errors import RecipeError
from local.layout import SAMPLE_RATE

SHORT = 0.5  # seconds: less tells little of a speaker
NEARLY_SILENT = 0.01  # -40 dB: a peak below this, without offset, is rarely speech
SILENT = 1 / 32768  # one step of 16 bits
FULL_SCALE, CLIPPED = 0.999, 0.001  # share of samples at full scale in clipped audio
MOST_GAIN = 10.0  # 20 dB above full scale; what is louder has another scale
FIRST = 3  # names that are said


@dataclass
class Level:
    """The extent and the extremes of a recording, gathered block by block."""

    samples: int = 0
    low: float = np.inf
    high: float = -np.inf
    at_full_scale: int = 0

    def add(self, signal: np.ndarray) -> None:
        """Take in a block of shape (time,), of which 1 is full scale."""
        if len(signal):
            self.samples += len(signal)
            self.low = min(self.low, float(signal.min()))
            self.high = max(self.high, float(signal.max()))
            self.at_full_scale += int(np.count_nonzero(np.abs(signal) >= FULL_SCALE))

    @property
    def peak(self) -> float:
        """The largest magnitude."""
        return max(abs(self.low), abs(self.high)) if self.samples else 0.0

    def faults(self) -> Iterator[str]:
        """What is wrong with the recording: what follows "files"."""
        if self.samples < SHORT * SAMPLE_RATE:
            yield f"are shorter than {SHORT} s"
        swing = (self.high - self.low) / 2 if self.samples else 0.0  # an offset is no sound
        if swing < SILENT:
            yield "are silent"
        elif swing < NEARLY_SILENT:
            yield f"are nearly silent (peaks below {20 * np.log10(NEARLY_SILENT):.0f} dB)"
        if self.at_full_scale > CLIPPED * self.samples and self.at_full_scale > 2:
            yield "are clipped"


def check_scale(path: str | Path, peak: float) -> None:
    """Check that a peak is not far beyond full scale, which is 1, as in no floating-point file.

    Raises
    ------
    RecipeError
        It is: the samples have the scale of integers.
    """
    if peak > MOST_GAIN:
        raise RecipeError(
            f"{path}: found samples up to {peak:.6g}, expected floating-point samples in [-1, 1]; "
            "they look like integers: divide them by 32768 (for 16 bits) and write the file again"
        )


@dataclass
class Faults:
    """The recordings with a fault, by what it is."""

    files: dict = field(default_factory=dict)

    def add(self, path: str | Path, *faults: str) -> None:
        """Note the faults of a recording, if it has any."""
        for fault in faults:
            self.files.setdefault(fault, []).append(path)

    def lines(self, count: int) -> Iterator[str]:
        """A warning for each fault, with how many of `count` files have it."""
        for fault, files in self.files.items():
            names = ", ".join(map(str, files[:FIRST])) + ", …" * (len(files) > FIRST)
            yield f"warning: {len(files)} of {count} files {fault}, first {names}"

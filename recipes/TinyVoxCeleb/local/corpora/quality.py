"""What is wrong with the audio of a corpus although it can be read: counted, with first names."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from local.errors import RecipeError, first_of
from local.layout import SAMPLE_RATE

SHORT = 0.5  # seconds: less tells little of a speaker
NEARLY_SILENT = 0.01  # -40 dB: a peak below this, without offset, is rarely speech
SILENT = 1 / 32768  # one step of 16 bits
CLIPPING_LEVEL = 0.999  # of full scale: from there on, a sample may have been cut off
CLIPPED = 0.001  # share of such samples in clipped audio
MOST_GAIN = 10.0  # 20 dB above full scale; what is louder has another scale
CHUNK = 512  # audio samples whose level is taken together
SECOND = 32  # chunks
FIRST = 3  # names that are said
MORE = "go on after the end that their headers tell: what follows was left out"


@dataclass
class Level:
    """The extent and the extremes of a recording, gathered block by block.

    `second` is the loudest second, or all of a block that is shorter; its loudness is `power`.
    """

    samples: int = 0
    low: float = np.inf
    high: float = -np.inf
    at_full_scale: int = 0
    second: np.ndarray | None = None
    power: float = -1.0

    def add(self, signal: np.ndarray) -> None:
        """Take in a block of shape (time,), of which 1 is full scale."""
        if len(signal):
            self.samples += len(signal)
            self.low = min(self.low, float(signal.min()))
            self.high = max(self.high, float(signal.max()))
            if self.peak >= CLIPPING_LEVEL:
                self.at_full_scale += int(np.count_nonzero(np.abs(signal) >= CLIPPING_LEVEL))
            second, power = loudest(signal, SECOND)
            if power > self.power:
                self.second, self.power = second.copy(), power

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
        if self.peak > 1:
            yield "are louder than full scale, and scaled to it"
        elif self.at_full_scale > CLIPPED * self.samples and self.at_full_scale > 2:
            yield "are clipped"

    def check_scale(self) -> None:
        """Check that the peak is not far beyond full scale, which is 1, as in no good file.

        Raises
        ------
        RecipeError
            It is: the samples have the scale of integers. The file is not named.
        """
        if self.peak > MOST_GAIN:
            raise RecipeError(
                f"found samples up to {self.peak:.6g}, expected floating-point samples in [-1, 1]; "
                "they look like integers: divide them by 32768 (for 16 bits) and write the file "
                "again"
            )


def loudest(signal: np.ndarray, chunks: int) -> tuple[np.ndarray, float]:
    """The loudest part of a signal of shape (time,), of so many chunks, and its power.

    An offset does not count. A signal that is not longer is returned whole.

    Example
    -------
    >>> part, _ = loudest(np.repeat(np.float32([0.5, 0.1, -0.1, 0.5]), CHUNK // 2), 1)
    >>> part[[0, -1]]
    array([-0.1,  0.5], dtype=float32)
    """
    number = len(signal) // CHUNK
    if number <= chunks:
        return signal, float(np.var(signal))
    frames = signal[: number * CHUNK].reshape(number, CHUNK)
    sums = frames.sum(axis=1) / CHUNK
    with np.errstate(over="ignore", invalid="ignore"):  # what is that loud is refused by its peak
        powers = np.einsum("ij,ij->i", frames, frames) / CHUNK - sums**2
        totals = np.cumsum(np.concatenate([[0], powers]))
        totals = totals[chunks:] - totals[:-chunks]
    first = int(totals.argmax())
    part = signal[first * CHUNK : (first + chunks) * CHUNK]
    return part, float(totals[first] / chunks)


@dataclass
class Faults:
    """The recordings with a fault, by what it is."""

    files: dict = field(default_factory=dict)

    def add(self, path: str | Path, *faults: str) -> None:
        """Note the faults of a recording, if it has any."""
        for fault in faults:
            self.files.setdefault(fault, []).append(path)

    def add_all(self, fault: str, paths: Iterable) -> None:
        """Note that many have a fault."""
        self.files.setdefault(fault, []).extend(paths)

    def lines(self, count: int, told: Callable = str) -> Iterator[str]:
        """A warning for each fault, with how many of `count` files have it.

        The first of them are said as `told` has them.
        """
        for fault, files in self.files.items():
            names = first_of([*map(told, files[: FIRST + 1])], FIRST)
            yield f"warning: {len(files)} of {count} files {fault}, first {names}"


def report_faults(faults: Collection[tuple[Path, str]], count: int, goal: str) -> None:
    """Raise a RecipeError that tells of all files that cannot be used, if any, of so many."""
    if faults:
        first = first_of([f"{path}: {fault}" for path, fault in faults], joiner="; ")
        raise RecipeError(
            f"{len(faults)} of {count} audio files cannot {goal}: {first}; export them again or "
            "remove them; nothing was written"
        )

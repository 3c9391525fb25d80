"""Any audio file, as 16 kHz mono: written as WAV, or as clips to join."""

import contextlib
import hashlib
import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import soundfile as sf
from tqdm import tqdm

from local.corpora.audio_files import system_fault
from local.corpora.decoding import open_audio, read_info
from local.corpora.polyphase import BLOCK_SECONDS, louder_channel, mono, resampled
from local.corpora.quality import MORE, Level
from local.corpora.surplus import surplus_of
from local.corpora.truncation import truncation_of
from local.errors import RecipeError
from local.layout import SAMPLE_RATE

MIN_SECONDS, MAX_SECONDS = 2.0, 4.0  # of an utterance that is joined of clips
PEAK = 0.7  # of each clip, relative to full scale
WHOLE = 0.9  # of the length that a header tells, which MP3 may only guess
SILENCE = 1e-3  # a peak below this is no speech


def read_headers(paths: Collection[Path]) -> tuple[dict, list[tuple[Path, str]]]:
    """Read the header of each file, see `read_info`, before anything is written.

    Returns
    -------
    The headers by path, and the files that cannot be opened or hold no audio, with the reason.
    """
    headers, faults = {}, []
    for path in tqdm(paths, desc="reading headers", unit="file", disable=None):
        try:
            headers[path] = read_info(path)
        except sf.SoundFileError as error:
            reason = str(error).removeprefix(f"Error opening {str(path)!r}: ")  # said once
            faults.append((path, system_fault(path) or reason.rstrip(".")))
            continue
        if headers[path].frames == 0:
            faults.append((path, "empty"))
    return headers, faults


class Converted(NamedTuple):
    """What a recording was like as it was read."""

    level: Level
    channel: int | None  # the number of the one that was taken, None for the mean of all
    seconds: float  # that its header tells, about; 0 where it does not

    def faults(self, source: str | Path) -> Iterator[str]:
        """What is wrong with it beside its level: what follows "files"."""
        if self.channel is not None:
            yield "have channels that cancel, of which the louder was taken"
        if truncation_of(source) or self.level.samples < WHOLE * self.seconds * SAMPLE_RATE:
            yield "are truncated: they hold less audio than their headers say"
        elif surplus_of(source):
            yield MORE


def convert(source: str | Path, target: str | Path | BinaryIO) -> Converted:
    """Write a recording as 16 kHz mono PCM16 WAV, block by block.

    Missing parent folders are made. What moderately exceeds 1, full scale, is scaled to it.

    Raises
    ------
    RecipeError
        If the source cannot be decoded, or has another scale.
    OSError
        If the target cannot be written.
    """
    if isinstance(target, str | Path):
        Path(target).parent.mkdir(parents=True, exist_ok=True)
    with _decoding(source), open_audio(source) as audio:
        seconds = audio.frames / audio.samplerate if audio.least else 0.0
        channel = _channel(source) if audio.channels > 1 else None
        blocks = _resample(source, audio, channel, BLOCK_SECONDS)
        first = list(itertools.islice(blocks, 2))
        level = _write(itertools.chain(first, blocks), target)
    if level.samples == 0:
        raise RecipeError(f"{source}: no audio could be decoded")
    try:
        level.check_scale()
    except RecipeError as error:
        raise RecipeError(f"{source}: {error}") from None
    if level.peak > 1:
        if not isinstance(target, str | Path):
            target.seek(0)
        with _decoding(source), open_audio(source) as audio:
            again = first if len(first) == 1 else _resample(source, audio, channel, BLOCK_SECONDS)
            _write(again, target, gain=1 / level.peak)
    return Converted(level, channel, seconds)


def _write(blocks, target, gain=1.0):
    level = Level()
    try:
        with sf.SoundFile(target, "w", SAMPLE_RATE, 1, "PCM_16", format="WAV") as fout:
            for signal in blocks:
                fout.write(gain * signal)
                level.add(signal)
    except sf.SoundFileError as error:
        raise OSError(f"{target}: cannot be written ({error}); is the disk full?") from error
    return level


def _channel(source):
    """The number of the channel to take, None for the mean of all."""
    with _decoding(source), open_audio(source) as audio:
        if audio.channels == 1:
            return None
        return louder_channel(audio.blocks(audio.samplerate, dtype="float32", always_2d=True))


@contextlib.contextmanager
def _decoding(source):
    try:
        yield
    except (sf.SoundFileError, ValueError) as error:
        raise RecipeError(f"{source}: cannot be decoded ({error})") from error


def resampled_blocks(
    source: str | Path, block_seconds: int = BLOCK_SECONDS, channel: int | None = None
) -> Iterator[np.ndarray]:
    """Decode a recording as mono 16 kHz audio, in blocks of shape (time,).

    Channels are averaged, and of those that cancel, the louder is taken; or one of them is, by its
    number.

    Raises
    ------
    RecipeError
        If the source cannot be decoded or holds NaN or infinity.
    """
    channel = _channel(source) if channel is None else channel
    with _decoding(source), open_audio(source) as audio:
        yield from _resample(source, audio, channel, block_seconds)


def _resample(source, audio, channel, block_seconds):
    def read(frames):
        block = mono(audio.read(frames, dtype="float32", always_2d=True), channel)
        if not np.isfinite(block).all():
            raise RecipeError(f"{source}: holds NaN or infinity")
        return block

    with _decoding(source):
        yield from resampled(read, audio.samplerate, SAMPLE_RATE, block_seconds)


def join_clips(clips: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Join clips of shape (time,) in their order to utterances of 2-4 s.

    Whatever reaches beyond 4 s is cut off, and what is left at the end is dropped.

    Example
    -------
    >>> clips = [np.zeros(round(seconds * SAMPLE_RATE)) for seconds in (1.5, 1, 5, 1)]
    >>> [len(utterance) / SAMPLE_RATE for utterance in join_clips(clips)]
    [2.5, 4.0]
    """
    parts = []
    for clip in clips:
        parts.append(clip)
        if sum(map(len, parts)) >= MIN_SECONDS * SAMPLE_RATE:
            yield np.concatenate(parts)[: round(MAX_SECONDS * SAMPLE_RATE)]
            parts = []


def read_clips(paths: Iterable[Path], skipped: Counter) -> Iterator[np.ndarray]:
    """Read clips, trimmed and levelled, each recording once; count those left out by reason."""
    seen = set()
    for path in paths:
        try:
            signal = np.concatenate(list(resampled_blocks(path)))
        except RecipeError:
            skipped["unreadable"] += 1
            continue
        # One recording often serves several stamps; in train and val it would be a leak.
        digest = hashlib.sha256(signal.tobytes()).digest()
        # Some have a constant offset of a fifth of full scale: it would click at the joins.
        signal = signal - signal.mean() if len(signal) else signal
        if np.abs(signal).max(initial=0) < SILENCE:
            skipped["silent"] += 1
        elif digest in seen:
            skipped["copied"] += 1
        else:
            seen.add(digest)
            yield _trim(signal)


def _trim(signal, threshold_db=-30.0, margin=0.1, frame=0.02):
    """Bring a clip to a common peak and cut its silent ends, but for `margin` seconds.

    Some clips decode to peaks far beyond full scale, and each voice has a level of its own, which
    tells the recordings apart without listening to the voice.
    """
    margin, frame = round(margin * SAMPLE_RATE), round(frame * SAMPLE_RATE)
    starts = np.arange(0, len(signal), frame)
    energy = np.add.reduceat(signal**2, starts)
    loud = starts[energy > energy.max() * 10 ** (threshold_db / 10)]
    signal = signal * (PEAK / np.abs(signal).max())
    return signal[max(0, loud[0] - margin) : loud[-1] + frame + margin]

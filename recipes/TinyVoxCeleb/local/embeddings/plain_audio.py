"""Audio files of any kind as the network is to get them: as if they had gone through shards.

Those at 16 kHz with one channel are taken as they are; others become what the corpus 'folder'
makes of them, 16-bit audio at 16 kHz. So an utterance has one embedding, wherever it comes from.
"""

import hashlib
import io
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile as sf

from local.bundle.windows import MAX_FRAMES, windows
from local.corpora.audio_files import system_fault
from local.corpora.decoding import open_audio
from local.corpora.polyphase import louder_channel, mono, resampled
from local.corpora.quality import Level
from local.corpora.truncation import truncation, truncation_of
from local.embeddings.cache import CLOCK_TICK
from local.errors import RecipeError
from local.layout import SAMPLE_RATE
from local.shards.audio import FULL_SCALE, plain_pcm, to_int16

LARGEST = 1 << 26  # bytes of a file that is read at once
UNKNOWN = -1  # in the place of the time of a file that may change within a tick of its clock


class Stamp(NamedTuple):
    """What the system tells of a file, by which a changed one is known without reading it."""

    size: int
    mtime_ns: int
    ctime_ns: int


class Heard(NamedTuple):
    """What was read of a file, or why it cannot be used."""

    stamp: Stamp
    digest: bytes = b""  # sha256 of its bytes; b"" where they have not been read at once
    samples: np.ndarray | None = None  # at 16 kHz, int16 or float32; None where not decoded
    fault: str = ""


def stamp_of(path: str | Path) -> Stamp:
    """The stamp of a file as it is now; one that is not there is an OSError."""
    state = Path(path).stat()
    return Stamp(state.st_size, state.st_mtime_ns, state.st_ctime_ns)


def lasting(stamp: Stamp) -> Stamp:
    """The stamp of a file that is read from now on, by which it may be known later.

    A file that changed a moment ago may change once more within the tick of its clock, so that its
    stamp says nothing: see `shard_records`.
    """
    fresh = time.time_ns() - max(stamp.mtime_ns, stamp.ctime_ns) < CLOCK_TICK
    return stamp._replace(ctime_ns=UNKNOWN) if fresh else stamp


def read_plain(path: Path, known: Collection[bytes] = ()) -> Heard:
    """Read a file whole, and decode it, unless its digest is among those known.

    A recording that is longer than the network takes at once, or a file that is larger than is
    read at once, has no samples: see `LongRecording`.
    """
    stamp = Stamp(0, 0, 0)
    try:
        stamp = stamp_of(path)
        if stamp.size > LARGEST:
            return Heard(stamp)
        known_by = lasting(stamp)
        content = path.read_bytes()
        digest = hashlib.sha256(content).digest()
        samples = None if digest in known else _decode(path, content)
        if stamp_of(path) != stamp:
            return Heard(stamp, fault="changed while it was read")
        return Heard(known_by, digest, samples)
    except (OSError, RecipeError, sf.SoundFileError, ValueError) as error:
        return Heard(stamp, fault=fault_of(path, error))


def fault_of(path: Path, error: Exception) -> str:
    """What is wrong with a file that could not be read, in a few words."""
    if isinstance(error, OSError) and not isinstance(error, RecipeError):
        return error.strerror or str(error)
    if isinstance(error, sf.SoundFileError):
        reason = str(error).removeprefix(f"Error opening {str(path)!r}: ").rstrip(".")
        return f"cannot be decoded ({system_fault(path) or reason})"
    return str(error)


def _decode(path, content):
    """The samples of a file with this content; None where there are more than a network takes."""
    if not content:
        raise RecipeError("empty")
    if (samples := plain_pcm(content)) is not None:
        return samples if len(samples) <= MAX_FRAMES else None
    if cut := truncation(content):
        raise RecipeError(cut)
    parts, total = [], 0
    decoder = _Decoder(path)
    for block in decoder.blocks():
        parts.append(block)
        total += len(block)
        if total > MAX_FRAMES:
            return None
    return decoder.finish(np.concatenate(parts))


class _Decoder:
    """The blocks of a file at 16 kHz, and what becomes of them once the loudest sample is known."""

    def __init__(self, path):
        self._path, self.level = path, Level()
        with open_audio(path) as audio:
            self._channel, rate = None, audio.samplerate
            self.as_it_is = rate == SAMPLE_RATE and audio.channels == 1
            self.whole = audio.subtype == "PCM_16"
            if audio.channels > 1:
                seconds = audio.blocks(rate, dtype="float32", always_2d=True)
                self._channel = louder_channel(seconds)

    def blocks(self) -> Iterator[np.ndarray]:
        """Mono audio, float32, shape (time,); an error where it ends too early, or is no audio."""
        with open_audio(self._path) as audio:
            found, told = 0, audio.least

            def read(frames):
                nonlocal found
                block = audio.read(frames, dtype="float32", always_2d=True)
                found += len(block)
                return mono(block, self._channel)

            for block in resampled(read, audio.samplerate, SAMPLE_RATE):
                if not np.isfinite(block).all():
                    raise RecipeError("holds NaN or infinity")
                if len(block):
                    self.level.low = min(self.level.low, float(block.min()))
                    self.level.high = max(self.level.high, float(block.max()))
                    self.level.samples += len(block)
                yield block
        if found < told:
            raise RecipeError(f"truncated: {found:,} of {told:,} samples are there")
        if not self.level.samples:
            raise RecipeError("the audio is empty")
        self.level.check_scale()

    def finish(self, signal):
        """What shards would hold of a signal, all of whose blocks have been given."""
        loud = self.level.peak > 1
        if not self.as_it_is:
            return _written((1 / self.level.peak if loud else 1.0) * signal)
        if loud:
            signal = signal / self.level.peak
        return to_int16(signal) if loud or self.whole else signal


def _written(signal):
    """The samples that a 16-bit file gets: how a signal is rounded is up to libsndfile."""
    file = io.BytesIO()
    options = {"format": "RAW", "subtype": "PCM_16", "endian": "LITTLE"}
    sf.write(file, signal, SAMPLE_RATE, **options)
    return np.frombuffer(file.getvalue(), "<i2")


def read_begin(path: Path, num_frames: int) -> np.ndarray:
    """The first samples of a file at 16 kHz as int16, up to so many; errors: see `LongRecording`.

    They are made of what is read alone: a loud recording is no louder later.
    """
    parts, decoder = [], _Decoder(path)
    for block in decoder.blocks():
        parts.append(block)
        if sum(map(len, parts)) >= num_frames:
            break
    return to_int16(as_float(decoder.finish(np.concatenate(parts)[:num_frames])))


class LongRecording:
    """A recording in windows, of which one is in memory at a time.

    Reading it from end to end, which tells its length, is what making this one does.

    Raises
    ------
    RecipeError, OSError, soundfile.SoundFileError, ValueError
        It cannot be used, see `fault_of`.
    """

    def __init__(self, path: Path):
        self._path, self._stamp = path, stamp_of(path)
        self.stamp = lasting(self._stamp)
        with open(path, "rb") as file:
            self.digest = hashlib.file_digest(file, "sha256").digest()
        if cut := truncation_of(path):
            raise RecipeError(cut)
        self._decoder = _Decoder(path)
        self.num_frames = sum(map(len, self._decoder.blocks()))

    def windows(self) -> Iterator[np.ndarray]:
        """The windows, see `local.bundle.windows`, in the order of time.

        A file that has changed since is a RecipeError, which names it.
        """
        starts, size = windows(self.num_frames)
        blocks, held, begin = self._decoder.blocks(), np.zeros(0, np.float32), 0
        try:
            for start in starts:
                parts = [held[start - begin :]]
                while sum(map(len, parts)) < size:
                    parts.append(next(blocks))
                held, begin = np.concatenate(parts), start
                yield as_float(self._decoder.finish(held[:size]))
            changed = stamp_of(self._path) != self._stamp
        except (OSError, StopIteration, sf.SoundFileError, ValueError):
            changed = True
        if changed:
            raise RecipeError(f"{self._path}: changed while it was read; start again")


def as_float(samples: np.ndarray) -> np.ndarray:
    """Samples as the network takes them: float32 in [-1, 1]."""
    if samples.dtype == np.int16:
        return samples.astype(np.float32) * np.float32(1 / FULL_SCALE)
    return samples

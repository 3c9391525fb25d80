"""Audio files on their way into shards: read and decoded once, several at a time."""

import hashlib
import os
import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf

from local.corpora.decoding import AudioFile, count_frames, with_count
from local.errors import RecipeError
from local.layout import SAMPLE_RATE
from local.shards.audio import to_int16
from local.shards.headers import HEAD, find_pcm

AHEAD = 8  # files in memory at once: some may be hours long
UNKNOWN_SIZE = 0x7FFFF000  # from here on, bytes that a pipe's WAV promises mean nothing
NAMED = 5  # of files that are wrong: so many are listed


@dataclass(frozen=True)
class Recording:
    """What a shard gets of one audio file, or why it cannot have it."""

    encoded: bytes = b""
    num_frames: int = 0  # audio samples
    digest: bytes = b""  # of the 16-bit samples; b"" where they have not been decoded
    fault: str = ""


def read_recordings(paths: Iterable[Path], check: bool) -> Iterator[Recording]:
    """Read audio files in their order, on all cores; with `check`, each is decoded to its end."""
    return _in_threads(lambda path: _read(path, check), paths)


def _in_threads(function: Callable, items: Iterable) -> Iterator:
    # Threads, as libsndfile and hashlib work without the interpreter's lock.
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        waiting = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) == AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _read(path, check):
    try:
        encoded = path.read_bytes()
        length = _data_chunk(encoded)[1] // 2
        begin = find_pcm(encoded[:HEAD], len(encoded), length)
        if begin < 0 or not length:
            return _decode(path, encoded, check)
        samples = memoryview(encoded)[begin : begin + 2 * length]
        return Recording(encoded, length, _digest(samples) if check else b"")
    except (sf.SoundFileError, OSError) as error:
        return Recording(fault=f"unreadable audio ({_reason(error)})")
    except RecipeError as error:
        return Recording(fault=str(error))


def _decode(path, encoded, check):
    """The same for what is not plain 16-bit PCM."""
    if not encoded:
        raise RecipeError("the file is empty")
    if missing := _missing_bytes(encoded):
        raise RecipeError(f"truncated: {missing:,} of the bytes that its header tells are missing")
    with AudioFile(path) as audio:  # by its path: from memory, each piece would take the lock
        if audio.samplerate != SAMPLE_RATE or audio.channels != 1:
            raise RecipeError(
                f"found {audio.samplerate} Hz with {audio.channels} channels, expected "
                f"{SAMPLE_RATE} Hz mono; the corpus 'folder' converts it"
            )
        frames = count_frames(path) if not audio.counted else audio.frames
        if frames == 0:
            raise RecipeError("the audio is empty")
        encoded = with_count(encoded, frames)
        if not check:
            return Recording(encoded, frames)
        try:
            signal = audio.read(frames, dtype="int16" if audio.subtype == "PCM_16" else "float32")
        except sf.SoundFileError as error:
            raise RecipeError(f"truncated or damaged ({_reason(error)})") from None
    if len(signal) != frames:
        raise RecipeError(f"truncated: {len(signal):,} of {frames:,} samples are there")
    if not np.isfinite(signal).all():
        raise RecipeError("holds NaN or infinity")
    return Recording(encoded, frames, _digest(to_int16(signal)))


def _digest(samples):
    return hashlib.sha256(samples).digest()


def _reason(error):
    """Why libsndfile failed; the path, which it says before that, stands elsewhere."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error).rpartition(": ")[2].rstrip(".") or "damaged data"


def _data_chunk(encoded):
    """Where the samples of a WAV file begin, and how many bytes its header tells."""
    if encoded[:4] != b"RIFF" or encoded[8:12] != b"WAVE":
        return 0, 0
    place = 12
    while place + 8 <= len(encoded):
        name, size = struct.unpack_from("<4sI", encoded, place)
        place += 8
        if name == b"data":
            return place, size
        place += size + size % 2
    return 0, 0


def _missing_bytes(encoded):
    """How many bytes a WAV file's header tells beyond those that are there."""
    begin, size = _data_chunk(encoded)
    return max(0, begin + size - len(encoded)) if size < UNKNOWN_SIZE else 0


def report_faults(faults: list[tuple[Path, str]], count: int) -> None:
    """Raise a RecipeError that tells of all files that are wrong, if any, of so many."""
    if faults:
        first = "; ".join(f"{path}: {fault}" for path, fault in faults[:NAMED])
        raise RecipeError(
            f"{len(faults)} of {count} audio files cannot go into shards: {first}"
            f"{'; …' * (len(faults) > NAMED)}; export them again or remove them; nothing was "
            "written"
        )

"""Audio files on their way into shards: read and decoded once."""

import hashlib
import io
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import PickleBuffer

import numpy as np
import soundfile as sf

from local.corpora.audio_files import system_fault
from local.corpora.decoding import AudioFile, count_frames, with_count
from local.corpora.quality import Level
from local.corpora.surplus import surplus
from local.corpora.truncation import data_chunk, truncation
from local.errors import RecipeError
from local.layout import SAMPLE_RATE
from local.shards.audio import FULL_SCALE, to_int16
from local.shards.headers import HEAD, find_pcm


@dataclass(frozen=True)
class Recording:
    """What a shard gets of one audio file, or why it cannot have it."""

    encoded: bytes | memoryview | PickleBuffer = b""
    num_frames: int = 0  # audio samples
    digest: bytes = b""  # of the 16-bit samples; b"" where they have not been decoded
    level: Level | None = None  # of the samples, None where they have not been decoded
    more: bool = False  # whether samples follow of which the header does not tell
    fault: str = ""


def read_recording(path: Path, check: bool) -> Recording:
    """Read an audio file for a shard; with `check`, it is decoded to its end."""
    recording = _read(path, check)
    return replace(recording, encoded=PickleBuffer(recording.encoded))  # for `Readers`


def file_size(path: Path) -> int:
    """The bytes of a file; 0 for one that cannot be read, which is told where it is read."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _read(path, check):
    try:
        encoded = path.read_bytes()
        length = data_chunk(encoded)[1] // 2
        begin = find_pcm(encoded[:HEAD], len(encoded), length)
        if begin < 0 or not length:
            return _decode(path, encoded, check)
        recording = Recording(encoded, length)
        return _judged(recording, np.frombuffer(encoded, "<i2", length, begin), check)
    except (sf.SoundFileError, OSError) as error:
        return Recording(fault=f"unreadable audio ({system_fault(path) or _reason(error)})")
    except MemoryError:
        return Recording(fault="its header tells of more samples than there is memory for")
    except RecipeError as error:
        return Recording(fault=str(error))


def _decode(path, encoded, check):
    """The same for what is not plain 16-bit PCM."""
    if not encoded:
        raise RecipeError("the file is empty")
    if cut := truncation(encoded):
        raise RecipeError(cut)
    with AudioFile(path) as audio:  # by its path: from memory, each piece would take the lock
        if audio.samplerate != SAMPLE_RATE or audio.channels != 1:
            raise RecipeError(
                f"found {audio.samplerate} Hz with {audio.channels} channels, expected "
                f"{SAMPLE_RATE} Hz mono; the corpus 'folder' converts it"
            )
        frames = count_frames(path) if not audio.counted else audio.frames
        if frames == 0:
            raise RecipeError("the audio is empty")
        recording = Recording(with_count(encoded, frames), frames)
        if not check:
            return recording
        try:
            signal = audio.read(frames, dtype="int16" if audio.subtype == "PCM_16" else "float32")
        except sf.SoundFileError as error:
            raise RecipeError(f"truncated or damaged ({_reason(error)})") from None
    if len(signal) != frames:
        raise RecipeError(f"truncated: {len(signal):,} of {frames:,} samples are there")
    if not np.isfinite(signal).all():
        raise RecipeError("holds NaN or infinity")
    return _judged(recording, signal)


def _judged(recording, signal, check=True):
    """The recording with what its samples tell; what is too loud for 16 bits is scaled."""
    if not check:
        return recording
    level, whole = Level(), signal.dtype == np.int16
    level.add(signal * np.float32(1 / FULL_SCALE) if whole else signal)
    level.check_scale()
    encoded, more = recording.encoded, bool(surplus(recording.encoded))
    if level.peak > 1:
        signal = to_int16(signal / level.peak)
        file = io.BytesIO()
        sf.write(file, signal, SAMPLE_RATE, format="WAV", subtype="PCM_16")
        encoded = file.getvalue()
    digest = hashlib.sha256(to_int16(signal)).digest()
    return replace(recording, encoded=encoded, digest=digest, level=level, more=more)


def _reason(error):
    """Why libsndfile failed; the path, which it says before that, stands elsewhere."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error).rpartition(": ")[2].rstrip(".") or "damaged data"

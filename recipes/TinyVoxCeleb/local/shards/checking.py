"""Audio files on their way into shards: read and decoded once."""

import hashlib
import io
from dataclasses import dataclass, replace
from pickle import PickleBuffer

import numpy as np
import soundfile as sf

from local.corpora.audio_files import system_fault
from local.corpora.convert import convert
from local.corpora.decoding import AudioFile, count_frames, ffmpeg_kind, with_count
from local.corpora.quality import MORE, Level
from local.corpora.surplus import surplus
from local.corpora.truncation import data_chunk, truncation
from local.errors import RecipeError
from local.layout import SAMPLE_RATE
from local.shards.audio import FULL_SCALE, plain_pcm, to_int16
from local.shards.places import KEPT, Utterance


@dataclass(frozen=True)
class Recording:
    """What a shard gets of one audio file, or why it cannot have it."""

    encoded: bytes | memoryview | PickleBuffer = b""
    num_frames: int = 0  # audio samples
    digest: bytes = b""  # of the 16-bit samples; b"" where they have not been decoded
    level: Level | None = None  # of the samples, None where they have not been decoded
    notes: tuple[str, ...] = ()  # what else is wrong, and no reason to refuse it
    converted: bool = False  # to 16 kHz mono WAV
    fault: str = ""


def read_recording(utterance: Utterance, check: bool, convert_others: bool) -> Recording:
    """Read an audio file for a shard; with `check`, it is decoded to its end.

    What is not mono at 16 kHz, or neither WAV nor FLAC, is converted, or else refused.
    """
    recording = _read(utterance, check, convert_others)
    return replace(recording, encoded=PickleBuffer(recording.encoded))  # for `Readers`


def as_wav(utterance: Utterance) -> io.BytesIO:
    """The audio of an utterance that was read, as 16 kHz mono WAV, once more."""
    file = io.BytesIO()
    with utterance.opened_by() as path:
        convert(path, file)
    file.seek(0)
    return file


def _read(utterance, check, convert_others):
    try:
        encoded = utterance.read()
        samples = plain_pcm(encoded)
        if samples is not None and utterance.suffix in KEPT:
            return _judged(Recording(encoded, len(samples)), samples, check)
        if not encoded:
            raise RecipeError("the file is empty")
        with utterance.opened_by(encoded) as path:
            if convert_others and not _is_kept(utterance, path):
                return _convert(path, check)
            return _decode(path, encoded, check)
    except (sf.SoundFileError, OSError) as error:
        reason = utterance.member is None and system_fault(utterance.path)
        return Recording(fault=f"unreadable audio ({reason or _reason(error)})")
    except MemoryError:
        return Recording(fault="its header tells of more samples than there is memory for")
    except RecipeError as error:
        return Recording(fault=str(error))


def _is_kept(utterance, path):
    """Whether a file goes into shards as it is, or cannot be read and so is told of."""
    if utterance.suffix not in KEPT:
        return False
    try:
        with AudioFile(path) as audio:
            return audio.samplerate == SAMPLE_RATE and audio.channels == 1
    except sf.SoundFileError:
        return ffmpeg_kind(path) is None


def _convert(path, check):
    """What the corpus 'folder' makes of an audio file."""
    file = io.BytesIO()
    try:
        converted = convert(path, file)
    except RecipeError as error:  # the place stands elsewhere
        raise RecipeError(_reason(error.__cause__ or error, path)) from None
    encoded, level = file.getvalue(), converted.level
    recording = Recording(encoded, level.samples, converted=True)
    if not check:
        return recording
    digest = hashlib.sha256(memoryview(encoded)[data_chunk(encoded)[0] :]).digest()
    return replace(recording, digest=digest, level=level, notes=(*converted.faults(path),))


def _decode(path, encoded, check):
    """The same for what is not plain 16-bit PCM, but mono at 16 kHz."""
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
    encoded, notes = recording.encoded, (MORE,) * bool(surplus(recording.encoded))
    if level.peak > 1:
        signal = to_int16(signal / level.peak)
        file = io.BytesIO()
        sf.write(file, signal, SAMPLE_RATE, format="WAV", subtype="PCM_16")
        encoded = file.getvalue()
    digest = hashlib.sha256(to_int16(signal)).digest()
    return replace(recording, encoded=encoded, digest=digest, level=level, notes=notes)


def _reason(error, path=""):
    """Why libsndfile or FFmpeg failed; the path, which they say before that, stands elsewhere."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    reason = str(error).removeprefix(f"{path}: ").removeprefix(f"Error opening {path!r}: ")
    return (reason if path else reason.rpartition(": ")[2]).rstrip(".") or "damaged data"

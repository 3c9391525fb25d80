"""Read the part of an encoded utterance that is needed, and no more."""

import io

import numpy as np
import soundfile as sf

from local.corpora.decoding import with_count
from local.corpora.truncation import data_chunk
from local.errors import RecipeError
from local.layout import SAMPLE_RATE
from local.shards.addresses import public
from local.shards.headers import HEAD, Sample, find_pcm
from local.shards.index import ShardIndex

FULL_SCALE = 32768  # what 1.0 is in 16-bit samples


def read_samples(
    encoded: bytes | memoryview, index: ShardIndex, row: int, *, start: int, num_frames: int
) -> np.ndarray:
    """Read a part of an utterance of an index as 16-bit samples of shape (time,).

    `encoded` is its wav or flac file. Of 16-bit PCM a view of it is returned, so nothing has been
    read yet; other audio is decoded, see `decode`.
    """
    pcm = index.pcm.item(row)
    if pcm >= 0:
        return np.frombuffer(encoded, "<i2", num_frames, pcm + 2 * start)
    try:
        return decode(encoded, index[row], start=start, num_frames=num_frames, dtype="int16")
    except RecipeError as error:
        raise RecipeError(f"{public(index.shards[index.shard.item(row)])}: {error}") from None


def decode(
    encoded: bytes | memoryview,
    sample: Sample,
    *,
    start: int = 0,
    num_frames: int = -1,
    dtype: str = "float32",
) -> np.ndarray:
    """Decode a wav or flac file, or a part of it, to samples of shape (time,).

    The part is `num_frames` audio samples from `start` on, -1 for all. They are "float32" in
    [-1, 1] or "int16", to which audio of more bits is rounded. `sample` is what the shard tells.

    Raises
    ------
    RecipeError
        For audio that is unreadable, empty, not mono, of another length or sample rate than its
        JSON tells, or not finite.
    """
    encoded = with_count(encoded, sample.num_frames)
    file = io.BytesIO(encoded) if isinstance(encoded, bytes) else _View(encoded)
    try:
        with sf.SoundFile(file) as audio:
            if audio.samplerate != SAMPLE_RATE or audio.channels != 1:
                raise RecipeError(
                    f"{sample.sample_id}: the audio is {audio.samplerate} Hz with {audio.channels} "
                    f"channels: expected {SAMPLE_RATE} Hz mono, as its JSON tells"
                )
            if audio.frames != sample.num_frames:
                raise RecipeError(
                    f"{sample.sample_id}: the audio holds {audio.frames} samples, its JSON tells "
                    f"{sample.num_frames}; write the shards anew"
                )
            audio.seek(start)
            exact = dtype == "int16" and audio.subtype == "PCM_16"
            signal = audio.read(num_frames, dtype="int16" if exact else "float32")
    except sf.LibsndfileError as error:
        raise RecipeError(
            f"{sample.sample_id}: unreadable audio ({error}); write the shards anew without it"
        ) from None
    expected = sample.num_frames - start if num_frames < 0 else num_frames
    if len(signal) < expected:
        raise RecipeError(
            f"{sample.sample_id}: the audio ends after {start + len(signal)} samples, its JSON "
            f"tells {sample.num_frames}; write the shards anew"
        )
    if not np.isfinite(signal).all():
        raise RecipeError(f"{sample.sample_id}: the audio holds NaN; write the shards without it")
    if not len(signal):
        raise RecipeError(
            f"{sample.sample_id}: the audio is empty; write the shards anew without it"
        )
    return signal if signal.dtype == dtype else to_int16(signal)


def plain_pcm(encoded: bytes) -> np.ndarray | None:
    """A view of the samples of a wav file, as most are: 16-bit PCM, mono at 16 kHz; else None."""
    length = data_chunk(encoded)[1] // 2
    begin = find_pcm(encoded[:HEAD], len(encoded), length)
    return np.frombuffer(encoded, "<i2", length, begin) if begin >= 0 and length else None


def to_int16(signal: np.ndarray) -> np.ndarray:
    """Samples in [-1, 1] rounded to 16 bits; those that have 16 bits are returned as they are."""
    if signal.dtype == np.int16:
        return signal
    return np.clip(np.rint(signal * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


class _View(io.RawIOBase):
    """Bytes in memory as a file, without a copy of them."""

    def __init__(self, content):
        self.content = content
        self.place = 0

    def seekable(self):
        return True

    def readable(self):
        return True

    def seek(self, offset, whence=io.SEEK_SET):
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self.place, io.SEEK_END: len(self.content)}
        self.place = origin[whence] + offset
        return self.place

    def tell(self):
        return self.place

    def readinto(self, buffer):
        part = self.content[self.place : self.place + len(buffer)]
        buffer[: len(part)] = part
        self.place += len(part)
        return len(part)


def repeat_to(signal: np.ndarray, num_frames: int) -> np.ndarray:
    """Repeat a signal to `num_frames` samples; one that has as many is returned as it is.

    Example
    -------
    >>> repeat_to(np.array([1, 2, 3]), 5)
    array([1, 2, 3, 1, 2])
    """
    if len(signal) >= num_frames:
        return signal
    return np.resize(signal, num_frames)

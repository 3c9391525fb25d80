"""Recordings of noise or rooms for augmentation, in a folder of audio files or in shards."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import soundfile as sf
import torch

from local.corpora.audio_files import Ignored, find_audio, ignored_line, system_fault
from local.corpora.decoding import AudioFile, read_info
from local.errors import RecipeError
from local.layout import SAMPLE_RATE
from local.shards import MappedShards, prepare_split
from local.shards.audio import FULL_SCALE, repeat_to

SUFFIXES = {".wav", ".flac"}


class Bank:
    """A tensor of which crops take a part each: made when first needed, kept on their device.

    `make` returns it, with what is chosen from along its first dimension. It is no buffer of a
    module: those are moved and, before each validation, shared between processes, which here all
    make the same.

    Example
    -------
    >>> bank = Bank(lambda: torch.ones(3, 8))
    >>> len(bank), bank.on("cpu").shape
    (3, torch.Size([3, 8]))
    """

    def __init__(self, make: Callable[[], torch.Tensor]):
        self.make = make

    @cached_property
    def _tensor(self):
        return self.make()

    def __len__(self):
        return len(self._tensor)

    def on(self, device: torch.device | str) -> torch.Tensor:
        """The tensor on a device."""
        self._tensor = self._tensor.to(device)
        return self._tensor


class Recordings:
    """Recordings by number; `lengths` are in audio samples, and a subclass has `read`."""

    def __init__(self, lengths: list[int]):
        self.lengths = lengths

    def __len__(self):
        return len(self.lengths)

    def read(self, number: int, start: int, num_frames: int) -> np.ndarray:
        """Samples of a recording from the place `start` on, float32 of shape (num_frames,)."""
        raise NotImplementedError

    def whole(self, number: int) -> np.ndarray:
        """A recording, float32 of shape (time,)."""
        return self.read(number, 0, self.lengths[number])

    def piece(self, number: int, place: float, num_frames: int) -> np.ndarray:
        """A part of a recording, float32 of shape (num_frames,); a shorter one is repeated.

        It begins at the first place that is possible, 0, or at the last, 1, or in between.
        """
        start = int(place * max(self.lengths[number] - num_frames, 0))
        part = self.read(number, start, min(num_frames, self.lengths[number]))
        return repeat_to(part, num_frames)


def find_recordings(
    source: str | Path, index_folder: str | Path, *, name: str = "noise", shard_cache: str = ""
) -> Recordings:
    """Recordings to add to speech, or to convolve it with.

    Arguments
    ---------
    source : str or Path
        A folder of wav and flac files of 16 kHz, with folders in it such as MUSAN's; or shards,
        see `list_shards`, of which a slow disk reads little.
    index_folder : str or Path
        Keeps the index of shards as <name>.npz; the name also is for messages.
    shard_cache : str
        A folder for copies of remote shards.

    Raises
    ------
    RecipeError
        There are none; a file that is not audio, or of another sample rate.
    """
    folder = Path(source)
    if folder.is_dir() and not any(folder.glob("shard-*")):
        return AudioFolder(folder)
    index = prepare_split(source, name, index_folder, shard_cache=str(shard_cache), mapped=True)
    return ShardedAudio(index)


class AudioFolder(Recordings):
    """The audio files below a folder, of which the first channel is read; see `find_audio`."""

    def __init__(self, folder: Path):
        ignored = Ignored()
        paths = sorted(find_audio(folder, SUFFIXES, ignored))
        told = ignored_line(ignored)
        if not paths:
            raise RecipeError(
                f"{folder}: no wav or flac files in it: expected some recordings"
                f"{told and f'; {told}'}"
            )
        if told:
            print(f"{folder}: {told}")
        self.paths = paths
        super().__init__([_length(path) for path in paths])

    def read(self, number: int, start: int, num_frames: int) -> np.ndarray:
        """See `Recordings`."""
        with AudioFile(self.paths[number]) as audio:
            audio.seek(start)
            part = audio.read(num_frames, dtype="float32", always_2d=True)
        return np.ascontiguousarray(part[:, 0])


class ShardedAudio(Recordings):
    """The utterances of the shards that a ShardIndex lists."""

    def __init__(self, index):
        self.shards = MappedShards(index)
        super().__init__(index.num_frames.tolist())

    def read(self, number: int, start: int, num_frames: int) -> np.ndarray:
        """See `Recordings`."""
        return self.shards.samples(number, start, num_frames).astype(np.float32) / FULL_SCALE


def _length(path):
    try:
        info = read_info(path)
    except sf.LibsndfileError as error:
        reason = system_fault(path) or error
        raise RecipeError(f"{path}: unreadable audio ({reason}); take it away") from None
    if info.samplerate != SAMPLE_RATE or not info.frames:
        raise RecipeError(
            f"{path}: {info.frames} samples at {info.samplerate} Hz: expected some at "
            f"{SAMPLE_RATE} Hz; resample it"
        )
    return info.frames

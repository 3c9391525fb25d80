"""Noise or room responses that lie in a folder of audio files or in shards."""

from pathlib import Path

import numpy as np
import soundfile as sf

from local.errors import RecipeError
from local.layout import SAMPLE_RATE
from local.shards import MappedShards, prepare_split
from local.shards.audio import FULL_SCALE, repeat_to

SUFFIXES = (".wav", ".flac")


def find_recordings(source, index_folder, *, name="noise", shard_cache=""):
    """Recordings to add to speech, or to convolve it with.

    Arguments
    ---------
    source : str or Path
        A folder of wav and flac files of 16 kHz, with folders in it such as MUSAN's; or shards,
        see `list_shards`, of which a slow disk reads little.
    index_folder : str or Path
        Keeps the index of shards as <name>.npz.
    name : str
        For the index and for messages.
    shard_cache : str
        A folder for copies of remote shards.

    Returns
    -------
    Recordings

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


class Recordings:
    """Recordings by number; a subclass has their lengths and reads them.

    Arguments
    ---------
    lengths : list of int
        In audio samples.
    """

    def __init__(self, lengths):
        self.lengths = lengths

    def __len__(self):
        return len(self.lengths)

    def whole(self, number):
        """A recording, float32 of shape (time,)."""
        return self.read(number, 0, self.lengths[number])

    def piece(self, number, place, num_frames):
        """A part of a recording; one that is shorter is repeated.

        Arguments
        ---------
        number : int
        place : float
            Where it begins: 0 for the first place that is possible, 1 for the last.
        num_frames : int

        Returns
        -------
        numpy.ndarray
            float32, shape (num_frames,).
        """
        start = int(place * max(self.lengths[number] - num_frames, 0))
        part = self.read(number, start, min(num_frames, self.lengths[number]))
        return repeat_to(part, num_frames)


class AudioFolder(Recordings):
    """The audio files of a folder, of which the first channel is read.

    Arguments
    ---------
    folder : Path
    """

    def __init__(self, folder):
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not paths:
            raise RecipeError(f"{folder}: no wav or flac files in it: expected some recordings")
        self.paths = paths
        super().__init__([_length(path) for path in paths])

    def read(self, number, start, num_frames):
        """Samples of a recording, float32."""
        part, _ = sf.read(self.paths[number], num_frames, start, dtype="float32", always_2d=True)
        return np.ascontiguousarray(part[:, 0])


class ShardedAudio(Recordings):
    """The utterances of shards.

    Arguments
    ---------
    index : ShardIndex
    """

    def __init__(self, index):
        self.shards = MappedShards(index)
        super().__init__(index.num_frames.tolist())

    def read(self, number, start, num_frames):
        """Samples of a recording, float32."""
        return self.shards.samples(number, start, num_frames).astype(np.float32) / FULL_SCALE


def _length(path):
    try:
        info = sf.info(path)
    except sf.LibsndfileError as error:
        raise RecipeError(f"{path}: unreadable audio ({error}); take it away") from None
    if info.samplerate != SAMPLE_RATE or not info.frames:
        raise RecipeError(
            f"{path}: {info.frames} samples at {info.samplerate} Hz: expected some at "
            f"{SAMPLE_RATE} Hz; resample it"
        )
    return info.frames

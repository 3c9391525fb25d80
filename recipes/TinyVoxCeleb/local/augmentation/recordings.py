"""Recordings of noise or rooms, by kind: in a folder of any audio files, or in shards."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from local.augmentation.packing import pack_recordings
from local.layout import SAMPLE_RATE
from local.processes import on_main, run_once_per_node
from local.shards import MappedShards, fingerprint, prepare_split
from local.shards.addresses import is_local
from local.shards.audio import FULL_SCALE, repeat_to

MUSAN = ("noise", "music", "speech")  # folders side by side, and what is in them
LONGEST = 300.0  # s of a recording: more of the same speech or music adds little
RESPONSE_FRAMES = SAMPLE_RATE // 2  # of a room, from the direct sound on
CACHE = "results/shard_cache"  # where no other is given


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

    def draw(self, rng: np.random.Generator) -> int:
        """The number of a row."""
        return rng.integers(len(self))

    def rows(self, numbers: torch.Tensor) -> torch.Tensor:
        """The rows of these numbers, on their device."""
        return self.on(numbers.device)[numbers]


class Recordings:
    """The recordings of the shards that an index lists, by number and by kind.

    `content` is a text that tells these from others; `kinds` are the numbers of each kind's
    recordings, where the first part of a sample_id is one; the rest is of the first kind.
    """

    def __init__(self, index, content: str, known: tuple[str, ...] = ()):
        self.shards, self.content = MappedShards(index), content
        self.lengths = index.num_frames.tolist()
        kinds = np.array([sample.speaker_id for sample in index])
        if known:
            kinds = np.where(np.isin(kinds, known), kinds, known[0])
        self.kinds = {str(kind): np.flatnonzero(kinds == kind) for kind in np.unique(kinds)}

    def __len__(self):
        return len(self.lengths)

    def piece(self, number: int, place: float, num_frames: int) -> np.ndarray:
        """A part of a recording, float32 of shape (num_frames,); a shorter one is repeated.

        It begins at the first place that is possible, 0, or at the last, 1, or in between.
        """
        start = int(place * max(self.lengths[number] - num_frames, 0))
        samples = self.shards.samples(number, start, min(num_frames, self.lengths[number]))
        return repeat_to(samples.astype(np.float32) / FULL_SCALE, num_frames)

    def draw(self, rng: np.random.Generator) -> int:
        """The number of a recording: each kind comes equally often."""
        numbers = list(self.kinds.values())[rng.integers(len(self.kinds))]
        return numbers[rng.integers(len(numbers))]

    def rows(self, numbers: torch.Tensor) -> torch.Tensor:
        """Responses of rooms, shape (numbers, taps); silence follows a shorter one."""
        responses = np.zeros((len(numbers), RESPONSE_FRAMES), np.float32)
        for response, number in zip(responses, numbers.tolist(), strict=True):
            taps = from_direct_sound(self.piece(number, 0.0, self.lengths[number]))
            response[: len(taps)] = taps
        return torch.from_numpy(responses).to(numbers.device)


def find_noise(folder: str | Path, cache: str | Path = "") -> Recordings | None:
    """Recordings of noise to add to speech; None where no folder is given.

    Arguments
    ---------
    folder :
        A folder of audio files: MUSAN's, which is told by folders noise/, music/ and speech/ side
        by side (D. Snyder, G. Chen, D. Povey, "MUSAN: A Music, Speech, and Noise Corpus", 2015), or
        of noise; of RIRS_NOISES its rooms are left out. Or shards, see `list_shards`.
    cache :
        Where its shards are kept, or copies of remote ones.
    """
    if not folder:
        return None
    return _near(folder, cache or CACHE, "noise", MUSAN, _kind_of_noise)


def find_rooms(folder: str | Path, cache: str | Path = "") -> Recordings:
    """Recorded responses of rooms, from a folder of audio files or shards; see `find_noise`.

    Of RIRS_NOISES (openslr.org/28; T. Ko et al., "A study on data augmentation of reverberant
    speech for robust speech recognition", ICASSP 2017) its noises are left out, and its small,
    medium and large simulated rooms and its real ones come equally often.
    """
    return _near(folder, cache or CACHE, "rir", (), _kind_of_room, from_direct_sound)


def _near(folder, cache, name, known, *how):
    """The recordings of a folder or of shards: packed, or copied, once on each machine."""
    options = {"shard_cache": cache, "mapped": True}
    if not is_local(str(folder)) or any(Path(folder).glob("shard-*")):
        index = prepare_split(folder, name, Path(cache) / "index", **options)
        return Recordings(index, fingerprint(index), known)
    arguments = folder, cache, name, LONGEST, *how
    packed = on_main(pack_recordings, *arguments)
    run_once_per_node(lambda: packed.is_dir() or pack_recordings(*arguments), [])
    return Recordings(prepare_split(packed, name, packed, **options), packed.name, known)


def _kind_of_noise(path):
    if _kind_of_rirs(path) not in (None, MUSAN[0]):
        return None
    return _kind_in_musan(path) or MUSAN[0]


def _kind_in_musan(path):
    for folder in path.parents:
        if folder.name in MUSAN and all((folder.parent / name).is_dir() for name in MUSAN):
            return folder.name
    return None


def _kind_of_room(path):
    kind = _kind_of_rirs(path)
    if kind == MUSAN[0] or _kind_in_musan(path):
        return None
    return kind or "room"


def _kind_of_rirs(path):
    """What a file of RIRS_NOISES is: noise, or a kind of room; None of any other file."""
    parts = path.parts
    if "pointsource_noises" in parts:
        return MUSAN[0]
    if "real_rirs_isotropic_noises" in parts:
        return MUSAN[0] if "noise" in path.name.lower() else "real"
    if "simulated_rirs" in parts[:-2]:
        return parts[parts.index("simulated_rirs") + 1]
    return None


def from_direct_sound(signal: np.ndarray, num_frames: int = RESPONSE_FRAMES) -> np.ndarray:
    """The response of a room, shape (time,), from its loudest sample on, cut to a length."""
    return signal[np.argmax(np.abs(signal)) :][:num_frames] if len(signal) else signal

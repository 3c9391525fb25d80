"""Random crops: where one lies in its utterance, and those of memory-mapped shards."""

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch

from local.dataset.order import sample_seed
from local.errors import RecipeError
from local.shards import MappedShards, ShardIndex
from local.shards.audio import repeat_to

MIN_CROP_FRAMES = 1600  # 0.1 s: a few frames of features
KEPT = 2**28  # bytes of decoded audio at the most: 140 minutes


def cut_crop(
    read: Callable[[int, int], np.ndarray],
    index: ShardIndex,
    row: int,
    crop: int,
    *,
    num_frames: int,
    seed: int,
    epoch: int,
) -> dict:
    """Cut one crop of an utterance, as an item for `collate`; with the seed that is its own.

    A shorter utterance is repeated to the length of a crop.

    Arguments
    ---------
    read :
        Gives a part of the utterance, by where it begins and its length in audio samples: int16,
        shape (time,).
    row, crop :
        Number of the utterance in the index, and of the crop in the utterance. Where the crop
        begins follows from its number, the utterance's id, the seed and the epoch.
    num_frames :
        Length of a crop, in audio samples.

    Raises
    ------
    RecipeError
        See `local.shards.audio.decode`.
    """
    sample = index[row]
    crop_seed = sample_seed(seed, epoch, sample.sample_id, crop)
    start = crop_seed % (max(sample.num_frames - num_frames, 0) + 1)
    signal = read(start, min(num_frames, sample.num_frames))
    return {
        "id": sample.key,
        "sig": torch.from_numpy(repeat_to(signal, num_frames)),
        "class_idx": index.class_idx.item(row),
        "seed": crop_seed % 2**63,  # as torch's integers go
    }


def check_crop_frames(crop_frames: int) -> None:
    """Check that crops of so many audio samples are long enough for features."""
    if crop_frames < MIN_CROP_FRAMES:
        raise RecipeError(
            f"crops of {crop_frames} audio samples: expected at least {MIN_CROP_FRAMES} (0.1 s)"
        )


class IndexedCrops(torch.utils.data.Dataset):
    """A crop of each utterance, as a map-style data set.

    It can be used with any sampler and loader, such as SpeechBrain's ReproducibleRandomSampler,
    BalancingDataSampler and SaveableDataLoader. Of PCM nothing but the crop's bytes is read; FLAC
    is decoded from the crop's beginning, or, where all of it fits into KEPT bytes, once at the
    start, in memory that the workers share.

    Arguments
    ---------
    index :
        Of shards that can be mapped.
    crop_frames :
        Length of a crop in audio samples; shorter utterances are repeated.
    crops_per_utterance :
        Items that an utterance gives; they are numbered utterance by utterance.

    Raises
    ------
    RecipeError
        Shards that cannot be mapped; crops that are too short; see `cut_crop` for items.
    """

    def __init__(
        self, index: ShardIndex, *, crop_frames: int, seed: int, crops_per_utterance: int = 1
    ):
        check_crop_frames(crop_frames)
        self.index = index
        self.shards = MappedShards(index)
        self.crop_frames = crop_frames
        self.seed = seed
        self.crops_per_utterance = crops_per_utterance
        self.epoch = 0
        coded = np.flatnonzero(index.pcm < 0)
        small = 2 * index.num_frames[coded].sum() <= KEPT
        self.decoded = {row: self.shards.samples(row) for row in coded.tolist()} if small else {}
        self._keys = None

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose crops the next pass of a loader reads."""
        self.epoch = epoch

    def __len__(self):
        return len(self.index) * self.crops_per_utterance

    def __getitem__(self, number: int) -> dict:
        row, crop = divmod(number, self.crops_per_utterance)
        if self._keys == ["class_idx"]:  # samplers ask for nothing but this
            return {"class_idx": self.index.class_idx.item(row)}
        return cut_crop(
            functools.partial(self._read, row),
            self.index,
            row,
            crop,
            num_frames=self.crop_frames,
            seed=self.seed,
            epoch=self.epoch,
        )

    def _read(self, row, start, length):
        decoded = self.decoded.get(row)
        if decoded is None:
            return self.shards.samples(row, start, length)
        return decoded[start : start + length]

    def __iter__(self):
        return (self[number] for number in range(len(self)))

    @contextlib.contextmanager
    def output_keys_as(self, keys: Iterable[str]) -> Iterator:
        """Give only some keys meanwhile, as SpeechBrain's samplers ask a DynamicItemDataset."""
        self._keys, before = list(keys), self._keys
        try:
            yield self
        finally:
            self._keys = before

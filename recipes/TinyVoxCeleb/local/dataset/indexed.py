"""Random crops from any place of memory-mapped shards."""

import contextlib
import functools

import numpy as np
import torch

from local.dataset.crops import check_crop_frames, cut_crop
from local.shards import MappedShards

KEPT = 2**28  # bytes of decoded audio: 140 minutes


class IndexedCrops(torch.utils.data.Dataset):
    """A crop of each utterance, as a map-style data set.

    It can be used with any sampler and loader, such as SpeechBrain's ReproducibleRandomSampler,
    BalancingDataSampler and SaveableDataLoader. Of PCM nothing but the crop's bytes is read; FLAC
    is decoded from the crop's beginning, or, where all of it fits into KEPT bytes, once at the
    start, in memory that the workers share.

    Arguments
    ---------
    index : ShardIndex
        Of shards that can be mapped.
    crop_frames : int
        Length of a crop in audio samples; shorter utterances are repeated.
    seed : int
    crops_per_utterance : int
        Items that an utterance gives; they are numbered utterance by utterance.

    Raises
    ------
    RecipeError
        Shards that cannot be mapped; crops that are too short; when an item is read, see `decode`.
    """

    def __init__(self, index, *, crop_frames, seed, crops_per_utterance=1):
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

    def set_epoch(self, epoch):
        """Choose the epoch whose crops the next pass of a loader reads."""
        self.epoch = epoch

    def __len__(self):
        return len(self.index) * self.crops_per_utterance

    def __getitem__(self, number):
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
    def output_keys_as(self, keys):
        """Give only some keys meanwhile, as a DynamicItemDataset does; for SpeechBrain's samplers.

        Arguments
        ---------
        keys : list of str
        """
        self._keys, before = list(keys), self._keys
        try:
            yield self
        finally:
            self._keys = before

"""From shards to batches: order, crop, equal lengths.

Both datasets are passed to a DataLoader with ``batch_size=None``: they yield whole batches and have
decoding workers of their own.

Authors
 * The TinyVoxCeleb authors 2026
"""

import itertools
import random
import zlib
from dataclasses import dataclass

import numpy as np
import torch
import webdataset as wds

from local.audio import decode, random_crops, repeat_to
from local.decoding import decode_shards
from local.errors import RecipeError
from local.windows import MIN_FRAMES

MIN_CROP_FRAMES = 1600  # 0.1 s: a few frames of features


@dataclass
class Batch:
    """Utterances, or crops of them, of equal length.

    Arguments
    ---------
    ids : list of str
        As trial lists name them.
    signals : torch.Tensor
        Waveforms in [-1, 1], shape (batch, time).
    classes : torch.Tensor
        Class indices, shape (batch,); -1 for speakers outside the training set.
    """

    ids: list
    signals: torch.Tensor
    classes: torch.Tensor

    def __len__(self):
        return len(self.ids)

    def to(self, device):
        """The same batch on another device."""
        move = {"device": device, "non_blocking": True}
        return Batch(self.ids, self.signals.to(**move), self.classes.to(**move))

    def pin_memory(self):
        """The same batch in page-locked memory, from where it moves to a GPU faster."""
        return Batch(self.ids, self.signals.pin_memory(), self.classes.pin_memory())


class CropBatches(torch.utils.data.IterableDataset):
    """Training data: batches of random crops in random order; one pass is one epoch.

    Order and crops follow from `seed`, the epoch and the utterance alone, so a run that is resumed
    sees what the uninterrupted one would have seen.

    Arguments
    ---------
    index : ShardIndex
        Of the training shards.
    crop_frames : int
        Length of a crop in audio samples; shorter utterances are repeated.
    batch_size : int
        Crops a batch. A last batch of a single crop joins the one before, because batch
        normalisation cannot train on one.
    seed : int
    crops_per_utterance : int
        Crops that an utterance gives in each epoch.
    shuffle_buffer : int
        Crops held to draw from at random. The shards themselves are written in random order.
    num_workers : int
        Processes that decode; 0 decodes in the main process.
    """

    def __init__(
        self,
        index,
        *,
        crop_frames,
        batch_size,
        seed,
        crops_per_utterance=1,
        shuffle_buffer=1000,
        num_workers=0,
    ):
        if min(batch_size, crops_per_utterance) < 1 or crop_frames < MIN_CROP_FRAMES:
            raise RecipeError(
                f"batch_size {batch_size}, crops_per_utterance {crops_per_utterance}, crop of "
                f"{crop_frames} audio samples: expected at least 1, 1 and {MIN_CROP_FRAMES}"
            )
        self.index = index
        self.crop_frames = crop_frames
        self.batch_size = batch_size
        self.seed = seed
        self.crops_per_utterance = crops_per_utterance
        self.shuffle_buffer = shuffle_buffer
        self.num_workers = num_workers
        self.epoch = 0

    def set_epoch(self, epoch):
        """Choose the epoch that the next pass gives; Brain.fit calls this."""
        self.epoch = epoch

    def __len__(self):
        crops = len(self.index) * self.crops_per_utterance
        full, rest = divmod(crops, self.batch_size)
        return max(full + (rest > 1), 1)

    def __iter__(self):
        rng = random.Random(f"{self.seed} {self.epoch}")
        shards = rng.sample(self.index.shards, len(self.index.shards))
        ahead = 2 * self.batch_size // self.crops_per_utterance
        decoded = decode_shards(shards, self._crops, self.num_workers, ahead=ahead)
        crops = itertools.chain.from_iterable(decoded)
        shuffled = wds.shuffle(self.shuffle_buffer, initial=self.shuffle_buffer, rng=rng)(crops)
        for group in batched(shuffled, self.batch_size):
            yield _collate(group)

    def _crops(self, sample, encoded):
        # zlib.crc32, unlike hash(), is the same in every process.
        rng = np.random.default_rng([self.seed, self.epoch, zlib.crc32(sample.sample_id.encode())])
        crops = random_crops(encoded, sample, self.crop_frames, self.crops_per_utterance, rng)
        return [(sample, crop) for crop in crops]


class UtteranceBatches(torch.utils.data.IterableDataset):
    """Whole utterances, each once, in batches of equal length: nothing is padded or cut.

    Arguments
    ---------
    index : ShardIndex
    batch_size : int
        Utterances a batch at the most.
    min_frames : int
        Utterances shorter than this many audio samples are repeated to it.
    num_workers : int
        Processes that decode; 0 decodes in the main process.
    """

    def __init__(self, index, *, batch_size=16, min_frames=MIN_FRAMES, num_workers=0):
        self.index = index
        self.batch_size = batch_size
        self.min_frames = min_frames
        self.num_workers = num_workers

    def __len__(self):
        lengths = (max(sample.num_frames, self.min_frames) for sample in self.index.samples)
        return sum(1 for _ in self._equal_lengths(lengths, length=int))

    def __iter__(self):
        whole = decode_shards(
            self.index.shards, self._whole, self.num_workers, ahead=self.batch_size
        )
        for group in self._equal_lengths(whole, length=lambda item: len(item[1])):
            yield _collate(group)

    def _whole(self, sample, encoded):
        return sample, repeat_to(decode(encoded, sample), self.min_frames)

    def _equal_lengths(self, items, length, max_waiting=256):
        """Group by length, holding at most `max_waiting` items back."""
        waiting = {}
        for item in items:
            group = waiting.setdefault(length(item), [])
            group.append(item)
            if len(group) == self.batch_size:
                yield waiting.pop(length(item))
            elif sum(map(len, waiting.values())) >= max_waiting:
                yield waiting.pop(max(waiting, key=lambda key: (len(waiting[key]), key)))
        yield from waiting.values()


def batched(items, size):
    """Group items by `size`; a last group of one joins the group before.

    Arguments
    ---------
    items : iterable
    size : int

    Yields
    ------
    list

    Example
    -------
    >>> list(batched(range(5), 2)), list(batched(range(3), 4))
    ([[0, 1], [2, 3, 4]], [[0, 1, 2]])
    """
    items = iter(items)
    group = list(itertools.islice(items, size))
    while group:
        following = list(itertools.islice(items, size))
        if len(following) == 1 < size:
            group, following = group + following, []
        yield group
        group = following


def _collate(group):
    samples, signals = zip(*group, strict=True)
    classes = [-1 if sample.class_idx is None else sample.class_idx for sample in samples]
    return Batch(
        [sample.key for sample in samples],
        torch.from_numpy(np.stack(signals)),
        torch.tensor(classes),
    )

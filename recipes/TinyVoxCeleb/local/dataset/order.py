"""Which crops make up which batch: settled before any audio is read.

It follows from the seed, the epoch and the index alone, so it is the same for any number of
processes and of workers that read, and for a run that was killed and resumed.
"""

import hashlib

import numpy as np
import torch

from local.dataset.by_speaker import balanced_items, check_groups, speaker_groups
from local.errors import RecipeError
from local.processes import rank, world_size
from local.shards import ShardIndex


def sample_seed(seed: int, epoch: int, sample_id: str, crop: int = 0) -> int:
    """A seed for all that is random about one crop of an utterance: where it lies, augmentation.

    It is less than 2^64. Where an utterance gives several crops in an epoch, they are numbered.

    Example
    -------
    >>> sample_seed(1337, 1, "id10012/0AXjxNXiEzo/00001") % 1000
    393
    """
    text = f"{seed} {epoch} {crop} {sample_id}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


class CropOrder(torch.utils.data.Sampler):
    """The batches of an epoch; as a batch sampler, this process's part of each.

    Items are numbered utterance by utterance: item 7 of an index with 3 crops an utterance is crop
    1 of utterance 2. Each comes once an epoch. A last batch of fewer than two items a process joins
    the one before, because batch normalisation cannot train on one.

    Arguments
    ---------
    batch_size :
        Items a batch, of all processes together.
    crops_per_utterance :
        Crops that an utterance gives in an epoch, which is one pass through all crops.
    shuffle_buffer :
        For shards that are streamed: they come in random order, and their items are drawn from a
        buffer of this many. Shards that are mapped are shuffled as a whole.
    speaker_balanced :
        Draw as many items as there are, but each speaker equally often on average; an utterance
        may come several times then, or not at all. For shards that are mapped.
    crops_per_speaker :
        From 2 on, batches are made of groups of this many crops of one speaker, and each process
        has whole groups; a batch may hold several of a speaker. Items that would fill no group are
        left out of an epoch, at random. For shards that are mapped.
    """

    def __init__(
        self,
        index: ShardIndex,
        *,
        batch_size: int,
        seed: int,
        crops_per_utterance: int = 1,
        shuffle_buffer: int = 1000,
        speaker_balanced: bool = False,
        crops_per_speaker: int = 1,
    ):
        if min(batch_size, crops_per_utterance, shuffle_buffer, crops_per_speaker) < 1:
            raise RecipeError(
                f"batch_size {batch_size}, crops_per_utterance {crops_per_utterance}, "
                f"shuffle_buffer {shuffle_buffer}, crops_per_speaker {crops_per_speaker}: expected "
                "at least 1"
            )
        grouped = crops_per_speaker > 1
        if speaker_balanced and grouped:
            raise RecipeError("speaker_balanced and crops_per_speaker: choose one of them")
        if (speaker_balanced or grouped) and not index.mapped:
            raise RecipeError(
                f"{'speaker_balanced' if speaker_balanced else 'crops_per_speaker'}: the shards in "
                f"{index.name} are streamed in their order; give --stage_shards_to a folder on a "
                "local disk"
            )
        if grouped:
            check_groups(index, crops_per_utterance, crops_per_speaker, batch_size)
        self.index = index
        self.batch_size = batch_size
        self.seed = seed
        self.crops_per_utterance = self.crops_per_pass = crops_per_utterance
        self.shuffle_buffer = shuffle_buffer
        self.speaker_balanced = speaker_balanced
        self.crops_per_speaker = crops_per_speaker
        self.rank, self.world = rank(), world_size()  # here: workers may not know
        self.epoch = 0
        self.start = 0

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Choose the epoch, and the batch of it, with which the next pass begins."""
        self.epoch = epoch
        self.start = start

    def __len__(self):
        return len(self.sizes()) - self.start

    def sizes(self) -> list[int]:
        """Items in each batch of an epoch, of all processes together."""
        group_size = self.crops_per_speaker
        groups = len(self.index) * self.crops_per_utterance // group_size
        full, rest = divmod(groups, self.batch_size // group_size)
        sizes = [self.batch_size // group_size] * full
        if rest >= 2 * self.world or not sizes:
            sizes.append(rest)
        else:
            sizes[-1] += rest
        if min(sizes) < self.world:
            raise RecipeError(
                f"{self.world} processes share batches of {min(sizes) * group_size} crops: "
                f"expected at least {self.world * group_size}"
            )
        return [size * group_size for size in sizes]

    def batches(self) -> list[np.ndarray]:
        """Numbers of the items of each batch of the epoch, of all processes together."""
        return np.split(self.items(), np.cumsum(self.sizes())[:-1])

    def __iter__(self):
        for batch in self.batches()[self.start :]:
            groups = batch.reshape(-1, self.crops_per_speaker)
            yield groups[self.rank :: self.world].reshape(-1).tolist()

    def batches_before(self, epoch: int) -> int:
        """How many batches all epochs before one have."""
        return (epoch - 1) * len(self.sizes())

    def passes(self) -> range:
        """Numbers of the passes through all crops that the epoch is made of: the epoch itself."""
        return range(self.epoch, self.epoch + 1)

    def items(self) -> np.ndarray:
        """Numbers of the items of the epoch in their order."""
        return self.items_of_pass(self.epoch)

    def items_of_pass(self, number: int) -> np.ndarray:
        """Numbers of the items of a pass through all crops, in their order."""
        rng = np.random.default_rng([self.seed, number])
        if not self.index.mapped:
            return self._buffered(rng, self.shards_of_pass(number))
        classes = np.repeat(self.index.class_idx, self.crops_per_pass)
        if self.speaker_balanced:
            return balanced_items(classes, self.seed, number)
        if self.crops_per_speaker > 1:
            return speaker_groups(classes, self.crops_per_speaker, rng).reshape(-1)
        return rng.permutation(len(classes))

    def _buffered(self, rng, shards):
        stream = np.concatenate([self._items_of(shard) for shard in shards])
        buffer, rest = stream[: self.shuffle_buffer].copy(), stream[self.shuffle_buffer :]
        items = np.empty_like(stream)
        drawn = rng.integers(len(buffer), size=len(rest))
        for number, (place_in_buffer, arriving) in enumerate(zip(drawn, rest, strict=True)):
            items[number] = buffer[place_in_buffer]
            buffer[place_in_buffer] = arriving
        items[len(rest) :] = rng.permutation(buffer)
        return items

    def _items_of(self, shard):
        rows = np.flatnonzero(self.index.shard == shard)
        crops = np.arange(self.crops_per_pass)
        return (rows[:, None] * self.crops_per_pass + crops).reshape(-1)

    def shards_of_pass(self, number: int) -> np.ndarray:
        """Numbers of the shards in the order in which they are streamed in a pass."""
        return np.random.default_rng([self.seed, number, 1]).permutation(len(self.index.shards))

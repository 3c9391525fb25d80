"""Random crops from shards that can only be read from start to end."""

import collections
import itertools
from collections.abc import Iterator

import numpy as np
import torch

from local.dataset.batch import Batch
from local.dataset.crops import check_crop_frames, cut_crop
from local.dataset.order import CropOrder
from local.errors import RecipeError
from local.shards.audio import read_samples
from local.shards.reading import stream_audio


class StreamedCrops(torch.utils.data.IterableDataset):
    """The batches of an order, read shard after shard: those that `IndexedCrops` gives for it.

    Order and crops are settled before anything is read, so the stream only fills the batches'
    places as their utterances come by; at most the crops of the order's shuffle buffer wait in
    batches that are not complete yet. Of n workers each makes every n-th batch of this process,
    and reads all shards for it, each once a pass.

    Arguments
    ---------
    crop_frames :
        Length of a crop in audio samples; shorter utterances are repeated.

    Raises
    ------
    RecipeError
        Crops that are too short; when it is read, a shard that cannot be read, is damaged, or has
        changed since. A worker process gives it in the place of a batch.
    """

    def __init__(self, order: CropOrder, *, crop_frames: int, seed: int):
        check_crop_frames(crop_frames)
        self.order = order
        self.index = order.index
        self.crop_frames = crop_frames
        self.seed = seed

    def __len__(self):
        return len(self.order)

    def __iter__(self) -> Iterator[Batch | RecipeError]:
        worker = torch.utils.data.get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        try:
            yield from self._fill(list(itertools.islice(self.order, first, None, step)))
        except RecipeError as error:
            if worker is None:
                raise
            yield error  # raised in the main process, without the worker's traceback around it

    def _fill(self, batches):
        """Give batches (lists of items) in their order, as soon as they are complete."""
        passes = [collections.defaultdict(list) for _ in self.order.passes()]
        for batch, items in enumerate(batches):
            for slot, item in enumerate(items):
                row, crop = divmod(item, self.order.crops_per_utterance)
                passes[crop // self.order.crops_per_pass][row].append((batch, slot, crop))
        filling, following = {}, 0
        for number, places in zip(self.order.passes(), passes, strict=True):
            for row, encoded in self._read(number, np.array(sorted(places), dtype=np.int64)):
                for batch, slot, crop in places.pop(row):
                    if batch not in filling:
                        filling[batch] = _Filling(len(batches[batch]), self.crop_frames)
                    filling[batch].put(slot, self._cut(encoded, row, crop))
                while following in filling and not filling[following].missing:
                    yield filling.pop(following).batch
                    following += 1

    def _cut(self, encoded, row, crop):
        return cut_crop(
            lambda start, length: read_samples(
                encoded, self.index, row, start=start, num_frames=length
            ),
            self.index,
            row,
            crop,
            num_frames=self.crop_frames,
            seed=self.seed,
            epoch=self.order.epoch,
        )

    def _read(self, number, rows):
        """Give these utterances in the order in which a pass streams them, as (row, audio)."""
        shards = self.index.shard[rows]
        for shard in self.order.shards_of_pass(number):
            here = rows[shards == shard].tolist()
            if here:  # otherwise the shard is not even opened
                yield from stream_audio(self.index, here)


class _Filling:
    """A batch whose crops come in any order, each of which is copied to its place at once."""

    def __init__(self, size, crop_frames):
        self.batch = Batch(
            [None] * size,
            torch.empty((size, crop_frames), dtype=torch.int16),
            torch.empty(size, dtype=torch.int64),
            [None] * size,
        )
        # The same memory: numpy copies a crop at once, where torch would wake threads for it.
        self.signals = self.batch.signals.numpy()
        self.missing = size

    def put(self, slot, item):
        self.batch.ids[slot] = item["id"]
        self.signals[slot] = item["sig"].numpy()
        self.batch.classes[slot] = item["class_idx"]
        self.batch.seeds[slot] = item["seed"]
        self.missing -= 1

"""Whole utterances, for validation and test."""

import torch

from local.bundle.windows import MIN_FRAMES
from local.dataset.batch import collate
from local.processes import rank, world_size
from local.shards import MappedShards
from local.shards.audio import repeat_to


class Utterances(torch.utils.data.Dataset):
    """Whole utterances in batches of equal length: nothing is padded or cut.

    The batches follow from the index alone. Of several processes each is to read its own, as
    `own` numbers them; all together give each utterance once, as one process would.

    Arguments
    ---------
    index : ShardIndex
        Of shards that can be mapped.
    batch_size : int
        Utterances a batch at the most.
    min_frames : int
        Utterances shorter than this many audio samples are repeated to it.
    """

    def __init__(self, index, *, batch_size=16, min_frames=MIN_FRAMES):
        self.index = index
        self.shards = MappedShards(index)
        self.min_frames = min_frames
        by_length = {}
        for row, length in enumerate(index.num_frames.tolist()):
            by_length.setdefault(max(length, min_frames), []).append(row)
        self.batches = [
            rows[begin : begin + batch_size]
            for rows in by_length.values()
            for begin in range(0, len(rows), batch_size)
        ]
        self.batches.sort()  # what lies together is read together

    def own(self):
        """Numbers of the batches that this process is to read.

        Returns
        -------
        range
        """
        return range(rank(), len(self), world_size())

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, number):
        return collate([self._read(row) for row in self.batches[number]])

    def _read(self, row):
        return {
            "id": self.index[row].key,
            "sig": torch.from_numpy(repeat_to(self.shards.samples(row), self.min_frames)),
            "class_idx": self.index.class_idx.item(row),
        }

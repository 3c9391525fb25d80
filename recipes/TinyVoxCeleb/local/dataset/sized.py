"""How long a training is: so many crops of each utterance an epoch, or so many steps in all."""

import math
import sys

import numpy as np

from local.dataset.order import CropOrder
from local.errors import RecipeError
from local.processes import rank
from local.shards import ShardIndex

AFTERWARDS = 500  # steps that an epoch after the last, which nothing trains on, has if need be


def make_order(
    index: ShardIndex,
    *,
    epochs: int,
    steps: int,
    max_steps: int,
    crops_per_utterance: int,
    min_epoch_steps: int,
    **options,
) -> CropOrder:
    """The order of a training's crops, with the number of its steps.

    Arguments
    ---------
    crops_per_utterance :
        Random crops that an utterance gives in an epoch.
    min_epoch_steps :
        Utterances give more crops than that where an epoch would have fewer batches.
    steps :
        In all epochs together, instead of these two, see `SizedOrder`; 0 for what they give.
    max_steps :
        Where they would give more steps than this, it is taken for `steps`; 0 for any number.
    options :
        Those of CropOrder.
    """
    if not steps:
        crops = _enough_crops(index, crops_per_utterance, min_epoch_steps, options["batch_size"])
        order = CropOrder(index, crops_per_utterance=crops, **options)
        if not 0 < max_steps < order.batches_before(epochs + 1):
            return order
    return SizedOrder(index, steps=steps or max_steps, epochs=epochs, **options)


def _enough_crops(index, asked, min_epoch_steps, batch_size):
    enough = max(asked, math.ceil(min_epoch_steps * batch_size / len(index)))
    if enough > asked and rank() == 0:
        print(
            f"{len(index)} training utterances give few steps an epoch: each gives {enough} "
            f"random crops, so that an epoch has at least {min_epoch_steps} optimiser steps",
            file=sys.stderr,
        )
    return enough


class SizedOrder(CropOrder):
    """The batches of a training of so many steps, in epochs that are equally long, or nearly so.

    Passes through all utterances follow each other without a gap, and all batches are full. An
    epoch is the next part of them, wherever it ends: a part of a pass over a million utterances, or
    a pass with several crops of each of a few hundred. So all come equally often, but for the last
    pass, which may be a part. What is left of groups (see `crops_per_speaker`) is drawn anew in
    each pass.

    Raises
    ------
    RecipeError
        Fewer steps than epochs; see also `CropOrder`.
    """

    def __init__(
        self,
        index: ShardIndex,
        *,
        steps: int,
        epochs: int,
        batch_size: int,
        crops_per_speaker: int = 1,
        **options,
    ):
        if steps < epochs:
            raise RecipeError(
                f"steps {steps}: expected one or more in each of {epochs} epochs; give fewer "
                "--epochs, or more --steps"
            )
        fewest = np.unique(index.class_idx, return_counts=True)[1].min()
        crops = max(steps * batch_size // (epochs * len(index)), -(-crops_per_speaker // fewest), 1)
        options |= {"batch_size": batch_size, "crops_per_speaker": crops_per_speaker}
        super().__init__(index, crops_per_utterance=int(crops), **options)
        self.steps, self.epochs = steps, epochs
        self._items_a_pass = len(index) * self.crops_per_pass
        self._items_a_pass -= self._items_a_pass % crops_per_speaker
        if batch_size < self.world * crops_per_speaker:
            raise RecipeError(
                f"{self.world} processes share batches of {batch_size} crops: expected at least "
                f"{self.world * crops_per_speaker}"
            )
        # The most passes in an epoch: a crop's number tells in which of them it is.
        longest = max(-(-steps // epochs), self._afterwards())
        most = -(-longest * batch_size // self._items_a_pass)
        for epoch in range(1, epochs + 1):
            self.set_epoch(epoch)
            most = max(most, len(self.passes()))
        self.set_epoch(0)
        self.crops_per_utterance = most * self.crops_per_pass

    def batches_before(self, epoch: int) -> int:
        """See `CropOrder`."""
        return self.steps * (epoch - 1) // self.epochs

    def sizes(self) -> list[int]:
        """See `CropOrder`."""
        count = self.batches_before(self.epoch + 1) - self.batches_before(self.epoch)
        if self.epoch > self.epochs:
            count = max(count, self._afterwards())
        return [self.batch_size] * count

    def _afterwards(self):
        return min(-(-self._items_a_pass // self.batch_size), AFTERWARDS)

    def _bounds(self):
        """Where the epoch begins and ends in the items of all passes."""
        begin = self.batches_before(self.epoch) * self.batch_size
        if self.epoch > self.epochs:  # with all utterances, if they are not very many
            begin += -begin % self._items_a_pass
        return begin, begin + sum(self.sizes())

    def passes(self) -> range:
        """See `CropOrder`; the first pass has the number 1."""
        begin, end = self._bounds()
        return range(begin // self._items_a_pass + 1, (end - 1) // self._items_a_pass + 2)

    def items(self) -> np.ndarray:
        """See `CropOrder`: of each pass in the epoch, an utterance has crops of its own."""
        parts = []
        for place, number in enumerate(self.passes()):
            rows, crops = np.divmod(self.items_of_pass(number), self.crops_per_pass)
            parts.append(rows * self.crops_per_utterance + crops + place * self.crops_per_pass)
        begin, end = self._bounds()
        skipped = begin % self._items_a_pass
        return np.concatenate(parts)[skipped : skipped + end - begin]

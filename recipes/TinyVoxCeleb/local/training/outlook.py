"""What a training says of its length: at its start, and when it has seen how long a step takes."""

import statistics
import time
from datetime import timedelta

from speechbrain.utils.logger import get_logger

from local.dataset import BatchLoader
from local.layout import SAMPLE_RATE

logger = get_logger(__name__)  # of the first process
MEASURED = 10  # steps, after a first one that makes rooms or compiles the network


class Outlook:
    """Says once how many steps, epochs and crops a training has, and once how long they will take.

    A training that is resumed says both of what is left.
    """

    def __init__(self):
        self.total, self._durations, self._since = 0, [], 0.0

    def begin_epoch(self, loader: BatchLoader, epochs: int, epoch: int, step: int) -> None:
        """Take down that the loader begins an epoch, of so many, after a number of its steps."""
        order, self._since = loader.order, time.monotonic()
        if self.total:
            return
        self.total, done = order.batches_before(epochs + 1), order.batches_before(epoch) + step
        crops = order.batch_size * self.total / len(order.index)
        begun = f", {done:,} of them done" * (done > 0)
        logger.info(
            f"{_counted(self.total, 'step')} in {_counted(epochs, 'epoch')}{begun}: "
            f"{order.batch_size} crops of {loader.dataset.crop_frames / SAMPLE_RATE:.3g} s a step, "
            f"about {crops:,.3g} of each of {len(order.index):,} utterances in all"
        )

    def end_step(self, number: int) -> None:
        """Take down that the step of a number, counted over the whole training, has ended."""
        if len(self._durations) > MEASURED:
            return
        now = time.monotonic()
        self._durations.append(now - self._since)
        self._since = now
        if len(self._durations) > MEASURED and number < self.total:
            seconds = statistics.median(self._durations[1:])
            left = timedelta(seconds=round(seconds * (self.total - number)))
            logger.info(
                f"a step takes {seconds:.2g} s, so the {self.total - number:,} left will take "
                f"{left}, without the validations"
            )


def _counted(count, name):
    return f"{count:,} {name}{'s' * (count != 1)}"

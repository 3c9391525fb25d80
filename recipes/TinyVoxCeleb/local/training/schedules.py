"""Learning rates and margins as functions of the number of the batch.

SpeechBrain's and torch's schedulers count their calls; here a resumed run asks for batch 5,000 and
gets what a run that was never stopped would have got. Batches are counted from 1 over the whole
training.
"""

import math
from abc import ABC, abstractmethod

from local.errors import RecipeError


def follow_schedules(hparams, batch: int) -> float:
    """Set the margin of the loss to that of a batch, where it has a schedule; its learning rate.

    `hparams` has `lr_annealing` and may have `margin_schedule` with `compute_cost`, as attributes.
    """
    if hasattr(hparams, "margin_schedule"):
        hparams.compute_cost.set_margin(hparams.margin_schedule(batch)[0])
    return hparams.lr_annealing(batch)[0]


class Schedule(ABC):
    """A value for each batch, of `num_batches` in all epochs; after the last one it stays.

    It is called as SpeechBrain's LinearScheduler is.
    """

    def __init__(self, num_batches: int):
        self.num_batches = num_batches

    def __call__(self, batch: int) -> tuple[float, float]:
        """The values of a batch and of the next one."""
        last = self.num_batches - 1
        return tuple(self.value(max(min(number, last), 0)) for number in (batch - 1, batch))

    @abstractmethod
    def value(self, number: int) -> float:
        """The value of a batch, counted from 0."""


class Ramp(Schedule):
    """Constant, then linear, then constant again.

    The value leaves `initial` at `begin` and reaches `final` at `end`, shares of the training: 0.1
    is epoch 3 of 30.

    Example
    -------
    >>> margin = Ramp(0.0, 0.2, num_batches=101, begin=0.1, end=0.5)
    >>> [round(margin(batch)[0], 3) for batch in (1, 11, 31, 51, 101)]
    [0.0, 0.0, 0.1, 0.2, 0.2]
    """

    def __init__(
        self,
        initial: float,
        final: float,
        num_batches: int,
        begin: float = 0.0,
        end: float = 1.0,
    ):
        super().__init__(num_batches)
        if not 0 <= begin <= end <= 1:
            raise RecipeError(
                f"a ramp (such as that of the margin) that begins at {begin} and ends at {end}: "
                "expected shares of the training, from 0 to 1"
            )
        self.initial, self.final = initial, final
        self.begin, self.end = begin, end

    def value(self, number):
        position = number / max(self.num_batches - 1, 1)
        if position >= self.end:
            return self.final
        if position <= self.begin:
            return self.initial
        share = (position - self.begin) / (self.end - self.begin)
        return self.initial + (self.final - self.initial) * share


class WarmCosine(Schedule):
    """A linear rise to the peak, then half a cosine down (Loshchilov and Hutter 2017, eq. 5).

    `warmup` is the rise, as a share of the training.

    Example
    -------
    >>> rate = WarmCosine(1.0, 0.0, num_batches=104, warmup=0.04)
    >>> [round(rate(batch)[0], 3) for batch in (1, 2, 4, 54, 104)]
    [0.25, 0.5, 1.0, 0.5, 0.0]
    """

    def __init__(self, peak: float, final: float, num_batches: int, warmup: float = 0.1):
        super().__init__(num_batches)
        self.peak, self.final = peak, final
        self.rise = min(max(round(warmup * num_batches), 1), num_batches)  # batches

    def value(self, number):
        after = number + 1 - self.rise
        if after <= 0:
            return self.peak * (number + 1) / self.rise
        return _cosine(self.peak, self.final, after / (self.num_batches - self.rise))


class OneCycle(Schedule):
    """Up and further down again, each by half a cosine: as torch's OneCycleLR (Smith 2019).

    `rise` is the way up, as a share of the training. The first value is the peak divided by
    `initial_divisor`; the last one is the first divided by `final_divisor`.

    Example
    -------
    >>> rate = OneCycle(1.0, num_batches=100)
    >>> [round(rate(batch)[0], 6) for batch in (1, 30, 100)]
    [0.04, 1.0, 4e-06]
    """

    def __init__(
        self,
        peak: float,
        num_batches: int,
        rise: float = 0.3,
        initial_divisor: float = 25.0,
        final_divisor: float = 1e4,
    ):
        super().__init__(num_batches)
        self.peak, self.top = peak, max(rise * num_batches - 1, 0)
        self.initial = peak / initial_divisor
        self.final = self.initial / final_divisor

    def value(self, number):
        if number < self.top:
            return _cosine(self.initial, self.peak, number / self.top)
        down = max(self.num_batches - 1 - self.top, 1)
        return _cosine(self.peak, self.final, (number - self.top) / down)


class Cyclic(Schedule):
    """Triangles between two values, `cycles` in the training: as torch's CyclicLR (Smith 2017).

    Each triangle has the height of the one before it times `shrink`; 0.5 is Smith's triangular2.

    Example
    -------
    >>> rate = Cyclic(0.0, 1.0, num_batches=80, cycles=2, shrink=0.5)
    >>> [rate(batch)[0] for batch in (1, 11, 21, 41, 61)]
    [0.0, 0.5, 1.0, 0.0, 0.5]
    """

    def __init__(
        self, low: float, high: float, num_batches: int, cycles: int = 3, shrink: float = 1.0
    ):
        super().__init__(num_batches)
        if cycles < 1:
            raise RecipeError(f"cycles {cycles}: expected 1 or more")
        self.low, self.high = low, high
        self.length, self.shrink = num_batches / cycles, shrink  # batches a triangle

    def value(self, number):
        cycle, position = divmod(number / self.length, 1)
        height = (self.high - self.low) * self.shrink**cycle
        return self.low + height * (1 - abs(1 - 2 * position))


class Exponential(Schedule):
    """A value that grows by the same factor from batch to batch.

    Example
    -------
    >>> [round(Exponential(0.01, 1.0, num_batches=3)(batch)[0], 6) for batch in (1, 2, 3)]
    [0.01, 0.1, 1.0]
    """

    def __init__(self, initial: float, final: float, num_batches: int):
        super().__init__(num_batches)
        self.initial, self.final = initial, final

    def value(self, number):
        share = number / max(self.num_batches - 1, 1)
        return self.initial * (self.final / self.initial) ** share


def _cosine(first, last, share):
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2

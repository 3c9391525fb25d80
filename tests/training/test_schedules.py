"""Schedules against torch's schedulers, which have to be asked batch after batch."""

import pytest
import torch
from speechbrain.nnet.schedulers import LinearScheduler
from torch.optim import lr_scheduler

from local.errors import RecipeError
from local.training.schedules import Cyclic, Exponential, OneCycle, Ramp, WarmCosine

BATCHES = 120


def stepped(make, initial=1.0):
    """The learning rates that a torch scheduler gives."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=initial)
    scheduler = make(optimizer)
    rates = [optimizer.param_groups[0]["lr"]]
    for _ in range(BATCHES - 1):
        optimizer.step()
        scheduler.step()
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


def warm_cosine(optimizer):
    rise = lr_scheduler.LinearLR(optimizer, start_factor=1 / 12, total_iters=11)
    fall = lr_scheduler.CosineAnnealingLR(optimizer, T_max=BATCHES - 12, eta_min=0.01)
    return lr_scheduler.SequentialLR(optimizer, [rise, fall], milestones=[11])


CASES = {
    "one cycle": (
        OneCycle(0.5, BATCHES),
        stepped(lambda sgd: lr_scheduler.OneCycleLR(sgd, 0.5, total_steps=BATCHES)),
    ),
    "cosine": (WarmCosine(1.0, 0.01, BATCHES, warmup=0.1), stepped(warm_cosine)),
    "cosine alone": (
        WarmCosine(1.0, 0.01, BATCHES, warmup=0.0),
        stepped(lambda sgd: lr_scheduler.CosineAnnealingLR(sgd, BATCHES - 1, eta_min=0.01)),
    ),
    "cyclic": (
        Cyclic(0.1, 0.5, BATCHES, cycles=3),
        stepped(lambda sgd: lr_scheduler.CyclicLR(sgd, 0.1, 0.5, step_size_up=20)),
    ),
    "triangular2": (
        Cyclic(0.1, 0.5, BATCHES, cycles=3, shrink=0.5),
        stepped(lambda sgd: lr_scheduler.CyclicLR(sgd, 0.1, 0.5, 20, mode="triangular2")),
    ),
    "linear": (
        Ramp(1.0, 0.1, BATCHES),
        [LinearScheduler(1.0, 0.1, BATCHES)(batch + 1)[0] for batch in range(BATCHES)],
    ),
    "constant": (Ramp(0.3, 0.3, BATCHES), [0.3] * BATCHES),
    "exponential": (
        Exponential(1e-5, 1.0, BATCHES),
        stepped(lambda sgd: lr_scheduler.ExponentialLR(sgd, 1e5 ** (1 / (BATCHES - 1))), 1e-5),
    ),
}


@pytest.mark.parametrize("ours, theirs", CASES.values(), ids=CASES)
def test_schedules_are_torchs(ours, theirs):
    # In any order: a value follows from the number of its batch alone.
    values = {batch: ours(batch)[0] for batch in reversed(range(1, BATCHES + 1))}
    assert [values[batch + 1] for batch in range(BATCHES)] == pytest.approx(theirs, rel=1e-5)
    assert ours(5)[1] == ours(6)[0]
    assert ours(BATCHES + 10) == (values[BATCHES],) * 2  # a training that is carried on


def test_schedules_of_one_batch():
    assert Ramp(0.0, 1.0, 1)(1)[0] == 0.0
    assert WarmCosine(1.0, 0.0, 1)(1)[0] == OneCycle(1.0, 1)(1)[0] == 1.0


def test_a_ramp_that_cannot_be():
    with pytest.raises(RecipeError, match="begins at 0.5 and ends at 0.4"):
        Ramp(0.0, 1.0, 10, begin=0.5, end=0.4)


def test_a_ramp_may_be_a_jump():
    assert Ramp(0.0, 1.0, 10, end=0.0)(1)[0] == 1.0
    jump = Ramp(0.0, 1.0, 11, begin=0.5, end=0.5)
    assert [jump(batch)[0] for batch in (1, 5, 6, 11)] == [0.0, 0.0, 1.0, 1.0]


def test_cycles_that_cannot_be():
    with pytest.raises(RecipeError, match="cycles 0: expected 1 or more"):
        Cyclic(0.0, 1.0, 10, cycles=0)

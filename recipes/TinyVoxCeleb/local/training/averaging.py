"""Averages of weights: a running one of the steps of a training, and the mean of its last epochs.

Both are of parameters and of the running statistics of batch normalisation alike.
"""

import copy

import torch
from speechbrain.utils.checkpoints import Checkpoint, Checkpointer, average_checkpoints
from torch.optim.swa_utils import get_ema_multi_avg_fn


class RunningAverage:
    """A running average of the weights of modules, while copies of them are trained.

    Arguments
    ---------
    modules :
        Those with parameters to train hold the average from now on.
    decay :
        What the average keeps of itself a step, once it has risen to that: see `ema_decay_at`. With
        0 there is no average: the modules are trained themselves.

    Attributes
    ----------
    trained : torch.nn.ModuleDict
        The copies to train in the modules' place; empty without an average.
    """

    def __init__(self, modules: torch.nn.ModuleDict, decay: float):
        self.decay = decay
        self.averaged = torch.nn.ModuleDict(
            {
                name: module.eval()
                for name, module in modules.items()
                if decay and any(parameter.requires_grad for parameter in module.parameters())
            }
        )
        self.trained = copy.deepcopy(self.averaged)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after a step, counted from 1; as torch's AveragedModel does."""
        if not self.trained:
            return
        update = get_ema_multi_avg_fn(ema_decay_at(step, self.decay))
        trained, averaged = self.trained.state_dict(), self.averaged.state_dict()
        floating = [name for name, value in trained.items() if value.is_floating_point()]
        update([averaged[name] for name in floating], [trained[name] for name in floating], None)
        for name in trained.keys() - floating:  # counts of batch normalisation
            averaged[name].copy_(trained[name])


def ema_decay_at(step: int, highest: float) -> float:
    """Decay of a running average after a step: it rises, so that the first weights are forgotten.

    At step 1 the weights are copied. Source: TensorFlow's ExponentialMovingAverage with
    `num_updates`.

    Example
    -------
    >>> ema_decay_at(1, 0.999), ema_decay_at(2, 0.999), ema_decay_at(91, 0.9)
    (0.0, 0.1, 0.9)
    """
    return min(highest, (step - 1) / (step + 8))


def epoch_of(checkpoint: Checkpoint) -> int:
    """The epoch that a checkpoint ends, or 0 for one within an epoch."""
    return checkpoint.meta.get("epoch", 0)


def load_average(checkpointer: Checkpointer, modules: torch.nn.ModuleDict, count: int) -> int:
    """Load the mean parameters of the checkpoints of the last epochs; returns how many there were.

    Izmailov et al., "Averaging weights leads to wider optima and better generalization", UAI 2018,
    average epochs too.

    Arguments
    ---------
    modules :
        By the names of the recoverables; those without parameters stay as they are.
    count :
        Epochs to average at the most.
    """
    checkpoints = checkpointer.find_checkpoints(
        importance_key=epoch_of, ckpt_predicate=epoch_of, max_num_checkpoints=count
    )
    for name, module in modules.items():
        if name in checkpointer.recoverables and any(True for _ in module.parameters()):
            module.load_state_dict(average_checkpoints(checkpoints, name))
    return len(checkpoints)

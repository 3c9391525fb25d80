"""Modules that begin to train later than the others, or learn at a slower rate.

A body that another run has trained, or a self-supervised front end, is spoilt by the gradients of a
classifier that begins anew: for some epochs only what is new is trained (Kumar et al. 2022,
"Fine-Tuning can Distort Pretrained Features", arXiv:2202.10054).
"""

from collections.abc import Callable, Iterable

import torch

from local.errors import RecipeError


class Unfreezing:
    """Which modules are trained in an epoch, and at which share of the learning rate.

    Modules are named as in `modules`, parts of them as ``module.part``; a part that comes after its
    module has its own number.

    Arguments
    ---------
    modules :
        Before they are compiled and shared between processes.
    epochs :
        For the name of a module, the epochs after which it is trained; inf: never.
    lr_factors :
        For the name of a module, what its learning rate is multiplied by.

    Example
    -------
    >>> from torch.nn import Linear, ModuleDict
    >>> modules = ModuleDict({"body": Linear(2, 3), "head": Linear(3, 2)})
    >>> unfreezing = Unfreezing(modules, epochs={"body": 2})
    >>> unfreezing.begin_epoch(2)
    >>> [parameter.requires_grad for parameter in modules.parameters()]
    [False, False, True, True]
    """

    def __init__(
        self,
        modules: torch.nn.ModuleDict,
        epochs: dict[str, float] | None = None,
        lr_factors: dict[str, float] | None = None,
    ):
        self.modules, self.epochs, self.lr_factors = modules, epochs or {}, lr_factors or {}
        self.trained = []
        for name in (*self.epochs, *self.lr_factors):
            try:
                modules.get_submodule(name)
            except AttributeError:
                raise RecipeError(
                    f"unfreezing or lr_factors: {name} is no part of the modules "
                    f"{', '.join(modules)}; name one"
                ) from None

    def begin_epoch(self, epoch: int) -> None:
        """Let the parameters have gradients, or none, as it is due in an epoch, counted from 1."""
        self.trained = []
        for name, epochs in self.epochs.items():
            module = self.modules.get_submodule(name)
            module.requires_grad_(epoch > epochs)
            self.trained.append((module, epoch > epochs))

    def begin_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Set the modules' modes, and multiply the learning rate, which is set, by their factors.

        Nothing of a frozen module may change: it has to be in eval mode, in which batch
        normalisation leaves its statistics alone. SpeechBrain puts all into train mode when an
        epoch begins.
        """
        for module, trained in self.trained:  # a part after its module
            module.train(trained)
        for group in optimizer.param_groups:
            group["lr"] *= group.get("lr_factor", 1.0)

    def grouping(self, opt_class: Callable) -> Callable:
        """The optimiser's class, given parameter groups with a learning rate factor each."""
        if not self.lr_factors:
            return opt_class
        return lambda parameters: opt_class(
            divide_by_lr_factor(parameters, self.modules, self.lr_factors)
        )


def divide_by_lr_factor(
    parameters: Iterable, modules: torch.nn.ModuleDict, lr_factors: dict[str, float]
) -> list[dict]:
    """Divide parameters into groups for an optimiser, each with an `lr_factor`, by default 1.

    Parameters may come in torch's groups, each of which is divided further.

    Example
    -------
    >>> from torch.nn import Linear, ModuleDict
    >>> modules = ModuleDict({"body": Linear(2, 3), "head": Linear(3, 2)})
    >>> groups = divide_by_lr_factor(modules.parameters(), modules, {"body": 0.1})
    >>> [(len(group["params"]), group["lr_factor"]) for group in groups]
    [(2, 0.1), (2, 1.0)]
    """
    factor_of = {}
    for name, factor in lr_factors.items():
        factor_of |= dict.fromkeys(modules.get_submodule(name).parameters(), factor)
    groups = list(parameters)
    if not isinstance(groups[0], dict):
        groups = [{"params": groups}]
    divided = []
    for group in groups:
        by_factor = {}
        for parameter in group["params"]:
            by_factor.setdefault(factor_of.get(parameter, 1.0), []).append(parameter)
        for factor, members in by_factor.items():
            divided.append({**group, "params": members, "lr_factor": factor})
    return divided

"""Modules that begin to train later than the others.

A body that another run has trained, or a self-supervised front end, is spoilt by the gradients of a
classifier that begins anew: for some epochs only what is new is trained (Kumar et al. 2022,
"Fine-Tuning can Distort Pretrained Features", arXiv:2202.10054).
"""


def freeze(modules, unfreezing, epoch):
    """Let the parameters of modules have gradients, or none, as it is due in an epoch.

    Nothing of a frozen module may change: besides, it has to be in eval mode, in which batch
    normalisation leaves its statistics alone. `set_modes` does that.

    Arguments
    ---------
    modules : torch.nn.ModuleDict
    unfreezing : dict of str to number
        For the name of a module, or of a part of one as ``module.part``, the epochs after which it
        is trained; inf: never. A part that comes after its module has its own number.
    epoch : int
        From 1.

    Returns
    -------
    list of (torch.nn.Module, bool)
        Each, in this order, and whether it is trained.

    Example
    -------
    >>> from torch.nn import Linear, ModuleDict
    >>> modules = ModuleDict({"body": Linear(2, 3), "head": Linear(3, 2)})
    >>> freeze(modules, {"body": 2}, epoch=2)
    [(Linear(in_features=2, out_features=3, bias=True), False)]
    >>> freeze(modules, {"body": 2}, epoch=3)
    [(Linear(in_features=2, out_features=3, bias=True), True)]
    """
    states = []
    for name, epochs in unfreezing.items():
        module = modules.get_submodule(name)
        trained = epoch > epochs
        module.requires_grad_(trained)
        states.append((module, trained))
    return states


def set_modes(states):
    """Put modules into train or eval mode.

    Arguments
    ---------
    states : list of (torch.nn.Module, bool)
        From `freeze`.
    """
    for module, trained in states:  # a part after its module
        module.train(trained)

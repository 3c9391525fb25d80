"""A learning rate of its own for each module: what is trained already moves more slowly."""


def divide_by_lr_factor(parameters, modules, lr_factors):
    """Parameter groups for an optimiser, with an `lr_factor` beside the parameters of each.

    Arguments
    ---------
    parameters : iterable
        Parameters, or torch's groups of them, each of which is divided further.
    modules : torch.nn.ModuleDict
    lr_factors : dict of str to float
        For the name of a module, or of a part of one as ``module.part``; 1 for all others. A part
        that comes after its module has its own factor.

    Returns
    -------
    list of dict

    Example
    -------
    >>> from torch.nn import Linear, ModuleDict
    >>> modules = ModuleDict({"body": Linear(2, 3), "head": Linear(3, 2)})
    >>> groups = divide_by_lr_factor(modules.parameters(), modules, {"body": 0.1})
    >>> [(len(group["params"]), group["lr_factor"]) for group in groups]
    [(2, 0.1), (2, 1.0)]
    """
    of_parameter = {}
    for name, factor in lr_factors.items():
        of_parameter |= dict.fromkeys(modules.get_submodule(name).parameters(), factor)
    groups = list(parameters)
    if not isinstance(groups[0], dict):
        groups = [{"params": groups}]
    divided = []
    for group in groups:
        by_factor = {}
        for parameter in group["params"]:
            by_factor.setdefault(of_parameter.get(parameter, 1.0), []).append(parameter)
        for factor, those in by_factor.items():
            divided.append({**group, "params": those, "lr_factor": factor})
    return divided

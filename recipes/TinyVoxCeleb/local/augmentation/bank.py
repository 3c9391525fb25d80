"""What many crops take a part of each, such as rooms and noise."""

from functools import cached_property


class Bank:
    """A tensor that is made when a crop first needs it, then stays on the device of the crops.

    It is no buffer of a module: those are moved and, before each validation, shared between
    processes, which here all make the same.

    Arguments
    ---------
    make : callable
        Without arguments; gives the tensor, whose first dimension is chosen from.

    Example
    -------
    >>> import torch
    >>> bank = Bank(lambda: torch.ones(3, 8))
    >>> len(bank), bank.on("cpu").shape
    (3, torch.Size([3, 8]))
    """

    def __init__(self, make):
        self.make = make

    @cached_property
    def _tensor(self):
        return self.make()

    def __len__(self):
        return len(self._tensor)

    def on(self, device):
        """The tensor on a device."""
        self._tensor = self._tensor.to(device)
        return self._tensor

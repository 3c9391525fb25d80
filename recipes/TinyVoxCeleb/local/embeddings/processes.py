"""The processes that torchrun starts, and what they tell each other.

Authors
 * The TinyVoxCeleb authors 2026
"""

import contextlib
import datetime
import os

import torch
import torch.distributed as dist

from local.errors import RecipeError


@contextlib.contextmanager
def process_group():
    """Join the processes of torchrun; without torchrun there is nothing to join.

    What they exchange lies in the memory of the CPU, so it is gloo whatever computes.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    # A process that ends is noticed at once; one that waits for another may wait long.
    dist.init_process_group("gloo", timeout=datetime.timedelta(days=1))
    try:
        yield
    finally:
        dist.destroy_process_group()


def place():
    """Number of this process, and how many there are: (0, 1) without torchrun."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def on_main(function, *arguments):
    """Call a function in the first process only.

    Arguments
    ---------
    function : callable
    *arguments

    Returns
    -------
    object
        What it returned, in every process.

    Raises
    ------
    RecipeError
        Another process has ended.
    """
    rank, world = place()
    if world == 1:
        return function(*arguments)
    result = [function(*arguments) if rank == 0 else None]
    with _together():
        dist.broadcast_object_list(result)
    return result[0]


def add_up(array):
    """Sum an array over the processes, in place.

    Arguments
    ---------
    array : numpy.ndarray
        Of the same shape in every process.

    Raises
    ------
    RecipeError
        Another process has ended.
    """
    if place()[1] > 1:
        with _together():
            dist.all_reduce(torch.from_numpy(array))


@contextlib.contextmanager
def _together():
    try:
        yield
    except RuntimeError as error:
        raise RecipeError(
            f"process {place()[0]}: another process has ended; its own message tells why"
        ) from error

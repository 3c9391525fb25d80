"""Where networks compute, and in which precision.

Authors
 * The TinyVoxCeleb authors 2026
"""

import ctypes
import os

import torch

from local.errors import RecipeError

PRECISIONS = ("fp32", "bf16", "fp16")


def choose_device(device=None, precision="fp32"):
    """Check a device and a precision, and say which device this process is to take.

    Arguments
    ---------
    device : str, optional
        Such as "cpu", "cuda" or "cuda:1"; without it a GPU where there is one. Under torchrun each
        process takes a GPU of its own, as far as there are so many.
    precision : str
        "fp32", "bf16" or "fp16".

    Returns
    -------
    str

    Raises
    ------
    RecipeError
        An unknown device or precision; CUDA where there is none; fp16 on a CPU.

    Example
    -------
    >>> choose_device("cpu", "bf16")
    'cpu'
    """
    if precision not in PRECISIONS:
        raise RecipeError(f"--precision {precision}: expected one of {', '.join(PRECISIONS)}")
    available = torch.cuda.device_count()
    try:
        chosen = torch.device(device or ("cuda" if available else "cpu"))
    except RuntimeError:
        raise RecipeError(f"--device {device}: expected cpu or cuda") from None
    if chosen.type == "cuda":
        if (chosen.index or 0) >= available:
            raise RecipeError(
                f"--device {device}: no CUDA device here (torch {torch.__version__} sees "
                f"{available}): use --device cpu, or a machine with a GPU and the CUDA build of "
                "torch"
            )
        if chosen.index is None:
            return f"cuda:{int(os.environ.get('LOCAL_RANK', '0')) % available}"
    if chosen.type == "cpu" and precision == "fp16":
        raise RecipeError("--precision fp16: a CPU has none; use bf16 or fp32")
    return str(chosen)


def keep_freed_memory():
    """Let this process keep the memory that large tensors leave, for those that follow.

    Without it, glibc gives it back, and the system clears every page of it for each batch anew:
    that is a third of a training step of the prototype on a CPU. See "Use an optimized memory
    allocator" in PyTorch's performance tuning guide. Elsewhere than on Linux it does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        trim_threshold, mmap_threshold = -1, -3  # malloc.h
        mallopt(mmap_threshold, 2**30)
        mallopt(trim_threshold, 2**31 - 1)


def inference_precision(run_opts):
    """The precision of --eval_precision or, where that is not given, of --precision.

    Arguments
    ---------
    run_opts : speechbrain.utils.run_opts.RunOptions

    Returns
    -------
    str
    """
    given = run_opts.overridden_args
    return run_opts["eval_precision" if "eval_precision" in given else "precision"]

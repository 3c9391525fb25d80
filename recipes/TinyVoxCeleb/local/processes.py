"""Where networks compute: the device, the precision, and the processes that torchrun starts."""

import atexit
import contextlib
import ctypes
import dataclasses
import datetime
import os
import re
import time
from collections.abc import Callable, Iterator

import torch
import torch.distributed as dist

from local.errors import RecipeError

PRECISIONS = ("fp32", "bf16", "fp16")
# What gloo and NCCL say of a process that is not there any more.
GONE = re.compile(r"connection (closed|reset|refused)|broken pipe|remote process", re.I)
GLOO_SETTLES = 0.5  # s


def rank() -> int:
    """Number of this process, from 0; 0 without torchrun."""
    return dist.get_rank() if _is_joined() else 0


def world_size() -> int:
    """How many processes there are; 1 without torchrun."""
    return dist.get_world_size() if _is_joined() else 1


def _is_joined():
    return dist.is_available() and dist.is_initialized()


@contextlib.contextmanager
def process_group() -> Iterator[None]:
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
        _leave()


@contextlib.contextmanager
def training_processes(run_opts):
    """Join the processes of torchrun for training, as SpeechBrain does: NCCL on GPUs, gloo on CPUs.

    Yields SpeechBrain's run options with the device of this process and the backend.

    Raises
    ------
    RecipeError
        More processes on this machine than GPUs; another process has ended; see `choose_device`.
    """
    for precision in (run_opts.precision, run_opts.eval_precision):
        device = choose_device(run_opts.device, precision)
    run_opts = dataclasses.replace(
        run_opts,
        device=device,
        distributed_backend="gloo" if device == "cpu" else "nccl",
        overridden_args=run_opts.overridden_args | {"device", "distributed_backend"},
    )
    if "RANK" not in os.environ or "LOCAL_RANK" not in os.environ:
        yield run_opts
        return
    if run_opts.debug:
        raise RecipeError("--debug: a trial run is one process: leave torchrun out")
    here, gpus = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.cuda.device_count()
    if device != "cpu" and here > gpus:
        raise RecipeError(
            f"torchrun started {here} processes here, but there are {gpus} GPUs: give "
            f"--nproc_per_node={gpus}"
        )
    # Here, because it takes a second that those who only verify need not wait.
    from speechbrain.utils.distributed import ddp_init_group

    ddp_init_group(run_opts)
    try:
        with _together():
            yield run_opts
    finally:
        _leave()


def on_main(function: Callable, *arguments):
    """Call a function in the first process only; every process gets what it returned."""
    if world_size() == 1:
        return function(*arguments)
    result = [function(*arguments) if rank() == 0 else None]
    with _together():
        dist.broadcast_object_list(result)
    return result[0]


def run_once_per_node(function: Callable, arguments: list) -> None:
    """Call a function in one process of each machine, while the others wait."""
    if world_size() == 1:
        function(*arguments)
        return
    from speechbrain.utils import distributed

    with _together():
        distributed.run_once_per_node(function, arguments)


def add_up(tensor: torch.Tensor) -> torch.Tensor:
    """Sum a tensor, of one shape in every process, over the processes, in place; returns it."""
    if world_size() > 1:
        with _together():
            dist.all_reduce(tensor)
    return tensor


def share_tensor(tensor: torch.Tensor) -> None:
    """Give every process the first one's tensor, in place."""
    if world_size() > 1:
        with _together():
            dist.broadcast(tensor, src=0)


def gather(items: list) -> list:
    """Bring the items of all processes together, in each of them: the first process's first."""
    if world_size() == 1:
        return items
    lists = [None] * world_size()
    with _together():
        dist.all_gather_object(lists, items)
    return [item for items in lists for item in items]


def _leave():
    """Leave the group, and give gloo's threads the time to let go of the last tensor they had.

    Where there was a DistributedDataParallel, torch keeps them beyond the end of Python, and one
    that frees a tensor then aborts the process (pytorch#179291).
    """
    dist.destroy_process_group()
    atexit.register(time.sleep, GLOO_SETTLES)


@contextlib.contextmanager
def _together():
    """Say in one line that another process has ended, where torch raises what gloo or NCCL say."""
    try:
        yield
    except RuntimeError as error:
        if world_size() == 1 or not GONE.search(str(error)):
            raise
        reason = str(error).splitlines()[0][:200]
        raise RecipeError(
            f"process {rank()}: another process has ended ({reason}); its own message, if it "
            "could leave one, tells why"
        ) from error


def choose_device(device: str | None = None, precision: str = "fp32") -> str:
    """Check a device and a precision, and say which device this process is to take.

    Without a device it is a GPU where there is one. Under torchrun each process takes a GPU of its
    own, as far as there are so many.

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


def fast_precision() -> str:
    """The precision to train in: bf16 where a GPU, or else this CPU, computes in it, or fp32.

    Where it is only emulated it takes longer than fp32.
    """
    if torch.cuda.is_available():
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        able = torch.cpu.get_capabilities()
        fast = able.get("avx512_bf16") or able.get("amx_bf16")
    return "bf16" if fast else "fp32"


def inference_precision(run_opts) -> str:
    """The precision of SpeechBrain's --eval_precision or, where that is not given, --precision."""
    given = run_opts.overridden_args
    return run_opts["eval_precision" if "eval_precision" in given else "precision"]


def keep_freed_memory() -> None:
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

"""From a network to ONNX, by torch's exporter that traces; the other needs packages of its own."""

import contextlib
import io
import warnings
from pathlib import Path

import onnx
import torch

from local.errors import RecipeError

# A number that runtimes of 2022 and later know, and sherpa-onnx on phones.
OPSET = 17
INPUT, OUTPUT = "waveforms", "embeddings"


def write_onnx(network: torch.nn.Module, example: torch.Tensor, path: Path) -> None:
    """Write a network whose input has the shape (batch, time, ...), both of which may change.

    The example is a batch of one: a number of 1 in the trace fits batches of any size, as it is
    stretched.

    Raises
    ------
    RecipeError
        A part of the network that ONNX does not know.
    """
    axes = {INPUT: {0: "batch", 1: "time"}, OUTPUT: {0: "batch"}}
    try:
        with contextlib.ExitStack() as stack:
            # The exporter warns of its age and of each constant, and prints what it fails on.
            stack.enter_context(warnings.catch_warnings(action="ignore"))
            stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
            stack.enter_context(_kept_in_traces())
            stack.enter_context(torch.no_grad())
            torch.onnx.export(
                network,
                (example,),
                str(path),
                dynamo=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes=axes,
            )
    except Exception as error:  # of many kinds: torch's, the exporter's, the network's own
        raise RecipeError(
            f"this network cannot be exported: {str(error).strip().splitlines()[0]:.200}"
        ) from error


@contextlib.contextmanager
def _kept_in_traces():
    """Tensors that go through torch.as_tensor stay in the trace, which takes them for constants.

    SpeechBrain's length_to_mask ends with it, so that masks would have the example's length.
    """

    def as_tensor(data, dtype=None, device=None):
        if isinstance(data, torch.Tensor):
            return data.to(dtype=dtype or data.dtype)
        return original(data, dtype=dtype, device=device)

    original, torch.as_tensor = torch.as_tensor, as_tensor
    try:
        yield
    finally:
        torch.as_tensor = original


def set_metadata(path: Path, about: dict[str, str]) -> None:
    """Give a network's file texts by which it tells of itself, and leave out what it does not need.

    Raises
    ------
    RecipeError
        The file is no network.
    """
    model = onnx.load(path)
    onnx.checker.check_model(model)
    onnx.helper.set_model_props(model, about)
    onnx.save(model, path)

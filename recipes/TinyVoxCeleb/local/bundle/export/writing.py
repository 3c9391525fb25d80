"""The folder that export.py leaves: the network as one file, and what runs it without torch."""

import importlib.metadata
import shutil
from pathlib import Path
from typing import NamedTuple

import torch

from local.bundle.export.assembling import assemble
from local.bundle.export.describing import describe
from local.bundle.export.network import WaveformNetwork
from local.bundle.export.parity import check_parity, embed, open_network
from local.bundle.export.phone import (
    PHONE,
    PhoneNetwork,
    is_kaldis,
    phone_inputs,
    phone_metadata,
)
from local.bundle.export.quantizing import quantize
from local.bundle.export.speech import Speech
from local.bundle.export.tracing import set_metadata, write_onnx
from local.bundle.finding import find_bundle
from local.bundle.loading import load_encoder
from local.corpora.speech import find_network
from local.errors import RecipeError
from local.training.checksums import write_checksums

NETWORK, QUANTIZED = "speaker.onnx", "speaker.int8.onnx"
DETECTOR, DETECTOR_LICENCE = "silero_vad.onnx", "silero_vad_LICENSE.txt"
EXAMPLE_SECONDS = 2.0


class Exported(NamedTuple):
    """What has been written: how near it is to the network, on whose speech; what it can do."""

    cosine: float
    origin: str
    dimension: int
    threshold: bool


def write_export(folder: Path, checkpoint: str | Path, licence: str, quantized: bool) -> Exported:
    """Fill a folder with an exported network, compared with the network it is of.

    Raises
    ------
    RecipeError
        No trained network; one that cannot be exported, or whose export gives something else; the
        package silero-vad is not installed.
    """
    bundle = find_bundle(checkpoint)
    encoder = load_encoder(bundle, "cpu")
    network, speech = WaveformNetwork(encoder), Speech(bundle)
    example = torch.from_numpy(speech.take(EXAMPLE_SECONDS))[None]
    path = folder / NETWORK
    write_onnx(network, example, path)
    cosine = check_parity(encoder, path, speech)
    dimension = embed(open_network(path), example.numpy()).shape[1]
    about = describe(bundle, encoder, dimension, licence)
    set_metadata(path, about)
    if quantized:
        quantize(path, folder / QUANTIZED, speech)
        set_metadata(folder / QUANTIZED, about | {"weights": "int8"})
    if is_kaldis(encoder.mods.compute_features):
        inputs = phone_inputs(encoder)
        features = torch.from_numpy(inputs(example.numpy()))
        write_onnx(PhoneNetwork(network), features, folder / PHONE)
        check_parity(encoder, folder / PHONE, speech, inputs)
        set_metadata(folder / PHONE, phone_metadata(about))
    write_detector(folder)
    (folder / "speaker_onnx.py").write_text(assemble(), encoding="utf-8")
    write_checksums(folder, "*.onnx")
    return Exported(cosine, speech.origin, dimension, "threshold" in about)


def write_detector(folder: Path) -> None:
    """Copy the detector of speech, as onnxruntime runs it, and its licence.

    It hears a whole recording in one call; its parameters are those of the one in the bundle.
    """
    try:
        network = find_network().with_name("silero_vad_16k_sequence.onnx")
    except ImportError as error:
        raise RecipeError(str(error)) from None
    files = importlib.metadata.files("silero-vad") or []
    licences = [file for file in files if file.name == "LICENSE"]
    if not licences or not network.is_file():
        raise RecipeError(
            f"{network.parent}: the package silero-vad lacks {network.name} or its licence: "
            "pip install silero-vad==6.2.3"
        )
    shutil.copy(network, folder / DETECTOR)
    (folder / DETECTOR_LICENCE).write_text(licences[0].read_text(), encoding="utf-8")

"""A trained network as one ONNX file: every network of hparams/, and what is refused."""

import json

import numpy as np
import onnxruntime
import pytest
import torch
from speechbrain.inference.classifiers import EncoderClassifier

import export
from conftest import RECIPE
from local.bundle.export.network import WaveformNetwork
from local.bundle.export.parity import check_parity, embed, open_network
from local.bundle.export.speech import Speech
from local.bundle.export.tracing import write_onnx
from local.bundle.loading import encode, load_encoder
from local.errors import RecipeError
from local.hparams import load_hparams, parse_arguments
from running import CAM_PLUS_PLUS, ECAPA, PROTOTYPE, RESNET, TINY, XVECTOR, data_options, one_line, train
from speaker_models.pooling import POOLINGS
from ssl_models import save_model

BEST, WAVLM = (str(RECIPE / f"hparams/{name}.yaml") for name in ("best", "wavlm"))
TINY_BEST = ("--base_channels", "2", "--embedding_size", "16", "--rooms", "1")
NETWORKS = {
    "prototype": (PROTOTYPE, ()),
    "best": (BEST, TINY_BEST),
    "best at full size": (str(RECIPE / "hparams/best_full.yaml"), TINY_BEST),
    "not fitted": (BEST, TINY_BEST),
    **{f"ecapa, {name}": (ECAPA, (*TINY[ECAPA], "--pooling", name)) for name in POOLINGS},
    "xvector": (XVECTOR, TINY[XVECTOR]),
    "resnet": (RESNET, TINY[RESNET]),
    "cam_plus_plus": (CAM_PLUS_PLUS, TINY[CAM_PLUS_PLUS]),
    "wavlm": (WAVLM, TINY[ECAPA]),
}


def make_encoder(small, folder, hparams, *options):
    """A random network of an hparams file, as a bundle's is loaded."""
    argv = [hparams, *data_options(small), "--output_folder", str(folder), *options]
    path, run_opts, overrides = parse_arguments(argv)
    modules = load_hparams(path, overrides, run_opts)[0]["modules"]
    generator = torch.Generator().manual_seed(0)
    for module in modules["embedding_model"].modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    modules = {name: modules[name] for name in EncoderClassifier.MODULES_NEEDED}
    encoder = EncoderClassifier(modules, {"label_encoder": None}, {"device": "cpu"})
    return encoder.eval()


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    return Speech(tmp_path_factory.mktemp("no_run"))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_gives_the_same_from_waveforms_of_any_length(small, speech, tmp_path, name):
    hparams, options = NETWORKS[name]
    if name == "wavlm":
        options = ("--front_end", save_model(tmp_path / "front_end"), *options)
    encoder = make_encoder(small, tmp_path, hparams, *options)
    if name.startswith("best"):
        encoder.mods.embedding_model.begin_fit()  # all voices are heard
    write_onnx(WaveformNetwork(encoder), torch.from_numpy(speech.take(2.0))[None], tmp_path / "x")
    assert speech.origin == "artificial voices"
    assert check_parity(encoder, tmp_path / "x", speech) > 0.99999

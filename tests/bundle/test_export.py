"""A trained network as one ONNX file: every network of hparams/, and what is refused."""

import shutil
import sys

import numpy as np
import onnx
import pytest
import torch
from speechbrain.inference.classifiers import EncoderClassifier

import export
from conftest import RECIPE, ROOT
from local.bundle.export import writing
from local.bundle.export.network import WaveformNetwork
from local.bundle.export.parity import check_parity, embed, open_network
from local.bundle.export.speech import Speech
from local.bundle.export.tracing import write_onnx
from local.hparams import load_hparams, parse_arguments
from running import (
    CAM_PLUS_PLUS,
    ECAPA,
    PROTOTYPE,
    RESNET,
    TINY,
    XVECTOR,
    data_options,
    one_line,
)
from speaker_models.pooling import POOLINGS
from ssl_models import save_model

BEST, BEST_FULL, PHONE, WAVLM = (
    str(RECIPE / f"hparams/{name}.yaml") for name in ("best", "best_full", "phone", "wavlm")
)
TINY_BEST = ("--base_channels", "2", "--embedding_size", "16", "--rooms", "1")
NETWORKS = {
    "prototype": (PROTOTYPE, ()),
    "best": (BEST, TINY_BEST),
    "best at full size": (BEST_FULL, (*TINY_BEST, "--blocks", "[1,1,1,1]")),
    "not fitted": (BEST, TINY_BEST),
    **{f"ecapa, {name}": (ECAPA, (*TINY[ECAPA], "--pooling", name)) for name in POOLINGS},
    "phone": (PHONE, TINY_BEST),
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


def export_run(run, out, *options):
    export.main(["--checkpoint", str(run), "--out", str(out), *options])
    return out


def test_a_folder_of_files_that_tell_what_they_are(run, tmp_path, capsys):
    out = export_run(run, tmp_path / "out", "--licence", "CC BY 4.0")
    said = capsys.readouterr().out
    assert "speaker.onnx, 128 dimensions; on its training speech its cosine" in said
    assert "no threshold has been fitted" in said
    names = {"silero_vad.onnx", "silero_vad_LICENSE.txt", "speaker.onnx", "speaker_onnx.py"}
    assert {path.name for path in out.iterdir()} == names | {"checksums.json"}
    assert "MIT License" in (out / "silero_vad_LICENSE.txt").read_text()
    session = open_network(out / "speaker.onnx")
    about = session.get_modelmeta().custom_metadata_map
    assert about["sampling_rate"] == "16000" and about["dimension"] == "128"
    assert about["licence"] == "CC BY 4.0" and about["training_data"].startswith("6 speakers, ")
    assert -60 < float(about["speech_level"]) < 0 and "threshold" not in about
    (inputs,), (outputs,) = session.get_inputs(), session.get_outputs()
    assert inputs.shape == ["batch", "time"] and outputs.shape[0] == "batch"
    assert onnx.load(out / "speaker.onnx").opset_import[0].version == 17
    assert embed(session, np.zeros((3, 8000), np.float32)).shape == (3, 128)


def test_8_bits_are_measured_beside_the_others_and_refused_beyond_a_limit(run, tmp_path, capsys):
    out = export_run(run, tmp_path / "out", "--quantize", "--max_eer_rise", "1")
    assert "as float, " in (said := capsys.readouterr().out) and "dev EER: " in said
    assert "ConvInteger" not in said and (out / "speaker.int8.onnx").is_file()
    nodes = onnx.load(out / "speaker.int8.onnx").graph.node
    assert any(node.op_type == "QuantizeLinear" for node in nodes)
    options = ("--quantize", "--max_eer_rise", "-1")
    told = one_line(capsys, export_run, run, tmp_path / "other", *options)
    assert "int8 raises the dev EER by" in told and "nothing is left" in told
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    moved = shutil.copytree(run / "inference", tmp_path / "moved")
    (moved / "experiment.yaml").write_text("random_seed: 1\n")
    told = one_line(capsys, export_run, moved, tmp_path / "other", "--quantize")
    assert "no record of dev trials" in told and "--dev_shards and --dev_trials_path" in told


def test_another_network_is_not_left(run, tmp_path, capsys, monkeypatch):
    """As where an exporter writes something else: here the trained weights become others."""

    def spoil(network, example, path):
        write_onnx(network, example, path)
        model = onnx.load(path)
        weights = next(w for w in model.graph.initializer if w.dims[:2] == [128, 40])
        array = onnx.numpy_helper.to_array(weights)
        changed = array + np.random.default_rng(0).normal(0, 0.1, array.shape).astype(np.float32)
        weights.CopyFrom(onnx.numpy_helper.from_array(changed, weights.name))
        onnx.save(model, path)

    monkeypatch.setattr(writing, "write_onnx", spoil)
    told = one_line(capsys, export_run, run, tmp_path / "out")
    assert "gives other embeddings than the network, nothing is left: a cosine of 0." in told
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_is_told_in_a_line(run, tmp_path, capsys, monkeypatch):
    def message(checkpoint=run, out=tmp_path / "out"):
        return one_line(capsys, export_run, checkpoint, out)

    assert "no trained network here" in message(tmp_path)
    assert "holds something else: give a folder of its own" in message(out=run)
    moved = shutil.copytree(run / "inference", tmp_path / "moved")
    hparams = (moved / "hyperparams.yaml").read_text()
    by_batch = hparams.replace(
        "!new:speaker_models.no_normalization.NoNormalization ''",
        "!new:speechbrain.processing.features.InputNormalization\n  norm_type: batch",
    )
    assert by_batch != hparams
    (moved / "hyperparams.yaml").write_text(by_batch)
    assert "mean_var_norm: norm_type batch cannot be exported" in message(moved)
    monkeypatch.setitem(sys.modules, "onnx", None)
    for name in ("writing", "tracing", "quantizing"):
        monkeypatch.delitem(sys.modules, f"local.bundle.export.{name}", raising=False)
        monkeypatch.delattr(f"local.bundle.export.{name}", raising=False)
    assert "the package onnx is not installed: pip install -r requirements_export" in message()
    assert [path.name for path in tmp_path.iterdir()] == ["moved"]


def test_what_an_export_needs_is_there_for_the_tests():
    texts = ((ROOT / f"requirements_{name}.txt").read_text() for name in ("export", "dev"))
    export_lines, dev_lines = (
        {line.partition(" #")[0] for line in text.splitlines() if "==" in line} for text in texts
    )
    assert export_lines and export_lines <= dev_lines

"""Self-supervised front ends, by tiny models with random parameters."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
import transformers
from speechbrain.inference.classifiers import EncoderClassifier

from conftest import RECIPE
from local.bundle import encode, load_encoder
from running import TINY_ECAPA, killed_after, one_line, rows, train
from speaker_models.ssl_features import SslFeatures
from ssl_models import MODELS, model_class, save_model

pytestmark = pytest.mark.long

WAVLM = str(RECIPE / "hparams/wavlm.yaml")


@pytest.fixture(scope="module")
def front_end(once):
    return str(once("front-end", save_model))


def train_on(small, output, front_end, *options):
    argv = ("--front_end", front_end, *TINY_ECAPA, "--frozen_epochs", "1", *options)
    return train(small, output, *argv, hparams=WAVLM)


@pytest.fixture(scope="module")
def run(small, front_end, once):
    """A complete run of two epochs; in the first, the front end is frozen."""
    return once("ssl", lambda at: train_on(small, at / "run", front_end)) / "run"


def features(folder):
    return torch.load(max(folder.glob("save/CKPT+epoch*")) / "compute_features.ckpt")


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("do_normalize", [True, False])
def test_the_weighted_sum_of_the_layers(tmp_path, kind, do_normalize):
    folder = save_model(tmp_path, kind, do_normalize)
    ours = SslFeatures(folder).eval()
    theirs = model_class(kind).from_pretrained(folder).eval()
    weights = torch.tensor([0.2, 0.5, 0.3])
    ours.layer_weights.data = weights.log() + 3.0
    signals = 0.1 + 0.01 * torch.randn(2, 8000)
    extractor = transformers.Wav2Vec2FeatureExtractor.from_pretrained(folder)
    inputs = extractor(list(signals.numpy()), sampling_rate=16000, return_tensors="pt")
    with torch.no_grad():
        states = theirs(inputs.input_values, output_hidden_states=True).hidden_states
        expected = sum(w * state for w, state in zip(weights, states, strict=True))
        torch.testing.assert_close(ours(signals), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", MODELS)
def test_layer_drop(tmp_path, kind):
    # The last of two layers: what it gives is then what the first gives.
    dropped = SslFeatures(save_model(tmp_path, kind), layer_drop=1.0)
    signals = torch.randn(2, 8000)
    with torch.no_grad():
        kept = dropped.eval().ssl(signals)
        assert not torch.allclose(kept[1], kept[2], atol=1e-3)
        for module in dropped.ssl.model.encoder.layers:
            module.training = True  # their dropout stays off
        first, second, third = dropped.ssl(signals)
    assert torch.equal(second, first) and third.shape == first.shape
    assert torch.equal(kept[0], first)


def test_it_is_frozen_then_trained(small, run, front_end, tmp_path):
    # Learns from the first epoch on: the weights of the layers.
    one_epoch = train_on(small, tmp_path, front_end, "--epochs", "1")
    began, after_one, after_two = (
        SslFeatures(front_end).state_dict(),
        *map(features, (one_epoch, run)),
    )
    moved = [name for name in began if not torch.equal(after_one[name], began[name])]
    assert moved == ["layer_weights"]
    moved = [name for name in began if not torch.equal(after_two[name], began[name])]
    assert any("encoder.layers.1" in name for name in moved)
    assert not any("model.feature_extractor" in name for name in moved)  # its convolutions


def test_resuming_is_exact(small, run, front_end, tmp_path):
    with killed_after(epoch=2, step=1):
        train_on(small, tmp_path, front_end, "--ckpt_interval_steps", "1")
    train_on(small, tmp_path, front_end)
    assert rows(tmp_path) == rows(run)
    ours, theirs = features(tmp_path), features(run)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_the_bundle_needs_no_other_folder(run, front_end, tmp_path):
    bundle = shutil.copytree(run / "inference", tmp_path / "moved")
    assert front_end not in (bundle / "hyperparams.yaml").read_text()
    signals = np.random.default_rng(0).normal(size=(3, 16000)).astype(np.float32)
    # In a process of its own, in which nothing of the recipe can be imported
    script = (
        "import sys, numpy, torch\n"
        "from speechbrain.inference.classifiers import EncoderClassifier\n"
        "folder, signals, out = sys.argv[1:]\n"
        "encoder = EncoderClassifier.from_hparams(folder, overrides={'pretrained_path': folder})\n"
        "signals = torch.from_numpy(numpy.load(signals))\n"
        "numpy.save(out, encoder.encode_batch(signals)[:, 0].numpy())\n"
    )
    np.save(tmp_path / "signals.npy", signals)
    argv = [sys.executable, "-c", script, bundle, tmp_path / "signals.npy", tmp_path / "out.npy"]
    env = {**os.environ, "HF_HUB_OFFLINE": "1"}
    subprocess.run(list(map(str, argv)), check=True, cwd=tmp_path, env=env)
    encoder = load_encoder(run)
    best = torch.load(run / "inference/compute_features.ckpt")
    held = encoder.mods.compute_features.state_dict()
    assert all(torch.equal(held[name], best[name]) for name in best)
    expected = encode(encoder, list(signals)).numpy()
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, rtol=1e-4, atol=1e-5)
    assert isinstance(encoder, EncoderClassifier) and expected.shape == (3, 16)


def test_front_ends_that_are_not_there(small, front_end, tmp_path, capsys, monkeypatch):
    def message(source):
        return one_line(capsys, train_on, small, tmp_path / "run", source)

    assert f"front_end {tmp_path}/none: neither a folder here" in message(f"{tmp_path}/none")
    (tmp_path / "empty").mkdir()
    assert "lacks config.json, preprocessor_config.json, model.saf" in message(f"{tmp_path}/empty")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "the package transformers is not installed; pip install" in message(front_end)


def test_offline_it_gives_up_at_once(tmp_path):
    script = (
        "from local.bundle.front_ends import fetch_front_end; "
        "fetch_front_end('nobody/nothing', '.')"
    )
    # A hub at which nobody listens
    env = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "PYTHONPATH": str(RECIPE)}
    options = {"capture_output": True, "text": True, "timeout": 60}
    answer = subprocess.run([sys.executable, "-c", script], env=env, cwd=tmp_path, **options)
    assert "front_end nobody/nothing: neither a folder here" in answer.stderr


def test_a_name_that_was_fetched_once(front_end, tmp_path):
    # As the hub's client keeps it; it is found there without a connection.
    kept = tmp_path / "models--some--thing"
    shutil.copytree(front_end, kept / "snapshots/0123")
    (kept / "refs").mkdir()
    (kept / "refs/main").write_text("0123")
    script = "from local.bundle.front_ends import *; print(fetch_front_end('some/thing', '.'))"
    env = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "PYTHONPATH": str(RECIPE)}
    options = {"capture_output": True, "text": True, "timeout": 60}
    answer = subprocess.run([sys.executable, "-c", script], env=env, cwd=tmp_path, **options)
    assert answer.stdout.rstrip().endswith("snapshots/0123"), answer.stderr

"""Trainings that begin with what another run has learnt: what is kept, frozen, moved."""

import shutil
from pathlib import Path

import pytest
import torch

from conftest import RECIPE, data_in, make_data
from local.bundle import find_bundle
from local.training.checksums import write_checksums
from local.training.unfreezing import Unfreezing
from running import ECAPA, TINY_ECAPA, killed_after, one_line, rows, train
from starting import finish, start

pytestmark = pytest.mark.long

FINE_TUNING = str(RECIPE / "hparams/fine_tuning.yaml")
SHORT = ("--audio_length_num_frames", "16000", "--crops_per_utterance", "1")
LARGE_MARGIN = str(RECIPE / "hparams/large_margin.yaml")


@pytest.fixture(scope="module")
def first(small, once):
    """A complete run, from which others start."""
    return once("ecapa", lambda at: train(small, at / "run", *TINY_ECAPA, hparams=ECAPA)) / "run"


@pytest.fixture(scope="module")
def others(once):
    """Other speakers: four to train on."""
    return data_in(once("others", lambda at: make_data(at, seed=2, num_train_speakers=4)))


def fine_tune(data, output, run, *options, hparams=FINE_TUNING):
    return train(data, output, "--start_from", str(run), *SHORT, *options, hparams=hparams)


def last(folder, name):
    checkpoint = max(folder.glob("save/CKPT+epoch*"))
    return torch.load(checkpoint / f"{name}.ckpt")


def same(ours, theirs):
    return [name for name in theirs if torch.equal(ours[name], theirs[name])]


def test_the_body_is_frozen_and_then_moves_slowly(first, others, tmp_path):
    run = fine_tune(others, tmp_path / "run", first)  # two epochs, which are frozen
    began = torch.load(find_bundle(first) / "embedding_model.ckpt")
    # Statistics of batch normalisation and their counts included
    assert same(last(run, "embedding_model"), began) == list(began)
    head = last(run, "classifier")["weight"]
    assert len(head) == 4
    assert {len(s) for s in last(run, "optimizer")["state"].values()} == {3}
    fine_tune(others, run, first, "--epochs", "3")
    assert not any("conv" in name for name in same(last(run, "embedding_model"), began))
    assert not torch.equal(last(run, "classifier")["weight"], head)
    body, of_head = last(run, "optimizer")["param_groups"]
    assert (body["lr_factor"], of_head["lr_factor"]) == (0.1, 1.0)
    assert body["lr"] == pytest.approx(0.1 * of_head["lr"]) == pytest.approx(0.000001)
    assert len(body["params"]) == len(list(filter(is_parameter, began)))


def is_parameter(name):
    return not name.endswith(("running_mean", "running_var", "num_batches_tracked"))


@pytest.fixture(scope="module")
def whole(first, others, tmp_path_factory):
    """A run of one frozen epoch and one that is not, which nothing has interrupted."""
    return fine_tune(others, tmp_path_factory.mktemp("whole"), first, "--frozen_epochs", "1")


@pytest.mark.parametrize("stop_at", [(1, 2), (2, 1)], ids=["frozen", "trained"])
def test_resuming_is_exact(first, others, tmp_path, whole, stop_at):
    options = ("--frozen_epochs", "1", "--ckpt_interval_steps", "1")
    with killed_after(*stop_at):
        fine_tune(others, tmp_path / "parts", first, *options)
    # The run it came from has been moved meanwhile.
    moved = shutil.copytree(first, tmp_path / "moved")
    parts = fine_tune(others, tmp_path / "parts", moved, *options)
    assert rows(parts) == rows(whole)
    for name in ("embedding_model", "classifier"):
        ours, theirs = last(parts, name), last(whole, name)
        assert same(ours, theirs) == list(theirs)


def test_a_run_keeps_to_its_start(first, others, whole, tmp_path, capsys):
    other_start = shutil.copytree(first, tmp_path / "other")
    path = other_start / "inference/classifier.ckpt"
    torch.save({"weight": 1 + torch.load(path)["weight"]}, path)
    message = one_line(capsys, fine_tune, others, whole, other_start, "--frozen_epochs", "1")
    assert f"{whole} holds a run with start_content: " in message
    fine_tune(others, whole, first, "--frozen_epochs", "1")
    assert "this run is complete" in capsys.readouterr().out


def test_large_margin_goes_on_with_the_classifier(first, small, tmp_path):
    still = ("--learning_rate", "0", "--final_learning_rate", "0", "--epochs", "1")
    run = fine_tune(small, tmp_path, first, *still, hparams=LARGE_MARGIN)
    for name in ("embedding_model", "classifier"):
        began = torch.load(find_bundle(first) / f"{name}.ckpt")
        assert set(filter(is_parameter, began)) <= set(same(last(run, name), began))


def test_what_does_not_fit(first, others, tmp_path, capsys):
    def message(*options, run=first, **hparams):
        return one_line(capsys, fine_tune, others, tmp_path / "run", run, *options, **hparams)

    assert "--n_mels: unknown key" in message("--n_mels", "40")  # features are those of the run
    record = first / "inference/experiment.yaml"
    older = shutil.copytree(first, tmp_path / "older")
    text = record.read_text().replace("\nembedding_size:", "\nsize:")
    (older / "inference/experiment.yaml").write_text(text)
    assert "experiment.yaml has no embedding_size" in message(run=older)
    (shutil.copytree(first, tmp_path / "empty") / "inference/embedding_model.ckpt").unlink()
    assert "no parameters of embedding_model in" in message(run=tmp_path / "empty")
    assert f"start_from {tmp_path}: no trained network here" in message(run=tmp_path)
    of_others = message(hparams=LARGE_MARGIN)
    assert "its classifier is for 6 speakers, the training shards have 4" in of_others
    spoilt = shutil.copytree(first, tmp_path / "spoilt")
    path = spoilt / "inference/embedding_model.ckpt"
    torch.save({"renamed": torch.zeros(1), **torch.load(path)}, path)
    write_checksums(path.parent, "*.ckpt")
    assert "embedding_model cannot take the parameters of" in message(run=spoilt)
    assert not (tmp_path / "run/save").exists() or not list((tmp_path / "run/save").iterdir())


def test_an_unknown_module(first, others, tmp_path, capsys):
    hparams = tmp_path / "trunk.yaml"
    text = Path(FINE_TUNING).read_text()
    hparams.write_text(text.replace("  embedding_model: !ref <body", "  trunk: !ref <body"))
    message = one_line(capsys, fine_tune, others, tmp_path / "run", first, hparams=str(hparams))
    assert "lr_factors: trunk is no part of the modules compute_features, " in message


@pytest.mark.parametrize("of_body, of_part", [(1, float("inf")), (float("inf"), 1)])
def test_a_part_has_its_own_number(of_body, of_part):
    body = torch.nn.Sequential(torch.nn.BatchNorm1d(2), torch.nn.BatchNorm1d(2))
    modules = torch.nn.ModuleDict({"body": body})
    unfreezing = Unfreezing(modules, {"body": of_body, "body.0": of_part})
    unfreezing.begin_epoch(2)
    unfreezing.begin_step(torch.optim.SGD(modules.parameters(), lr=0.1))
    for module, epochs in ((body[0], of_part), (body[1], of_body)):
        states = [module.training, *(parameter.requires_grad for parameter in module.parameters())]
        assert states == [epochs == 1] * 3


def test_frozen_in_two_processes(first, others, tmp_path):
    # Four speakers give 12 utterances: two batches of six.
    options = ("--frozen_epochs", "1", "--batch_size", "6")
    one = fine_tune(others, tmp_path / "one", first, *options)
    argv = ("--start_from", str(first), *SHORT, *options)
    finish(start(others, tmp_path / "two", *argv, processes=2, hparams=FINE_TUNING))
    ours, theirs = rows(tmp_path / "two"), rows(one)
    # Batch normalisation is frozen in the first epoch, and each process's own in the second.
    for name in ("train_loss", "valid_loss"):
        assert float(ours[0][name]) == pytest.approx(float(theirs[0][name]), rel=1e-4)
    began = torch.load(find_bundle(first) / "embedding_model.ckpt")
    unchanged = same(last(tmp_path / "two", "embedding_model"), began)
    assert not any("conv" in name for name in unchanged)

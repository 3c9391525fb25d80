"""Trackers of experiments: named in an hparams file, missing, and at work without a network."""

import importlib.util
import logging

import pytest

from conftest import RECIPE
from local.training.loggers import log_epoch, log_test, standard_loggers
from local.training.trackers import TRACKERS, Tracker, make_tracker
from running import one_line, rows, train

STATS = (
    {"loss": 2.5, "accuracy": 0.5, "grad_norm": 1.0, "clipped": 0.0},
    {"loss": 3.0, "accuracy": 0.25, "eer": 0.125},
)


def needs(package):
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"no {package}: pip install {package}")


def named(folder, *names):
    """An hparams file that says "the prototype, but with these trackers"."""
    path = folder / "tracked.yaml"
    names = ", ".join(["!ref <output_folder>", *names])
    path.write_text(
        f"base: {RECIPE / 'hparams/prototype.yaml'}\n"
        f"train_loggers: !apply:local.training.loggers.standard_loggers [{names}]\n"
    )
    return str(path)


@pytest.mark.parametrize("name", TRACKERS)
def test_a_package_that_is_not_installed(small, tmp_path, name, monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda it: find(it) if it != name else None)
    found = one_line(capsys, train, small, tmp_path / "run", hparams=named(tmp_path, name))
    assert f"{name} is not installed: pip install {name}, or take it out" in found
    assert not list((tmp_path / "run").glob("save/*"))  # before anything long


def test_a_tracker_that_is_unknown(small, tmp_path, capsys):
    found = one_line(capsys, train, small, tmp_path / "run", hparams=named(tmp_path, "comet"))
    assert "found 'comet', expected some of wandb, mlflow after the output folder" in found


class Failing(Tracker):
    package = "failing"
    calls = 0

    def send(self, meta, stats):
        self.calls += 1
        raise ConnectionError("no route\nto host")


def test_a_tracker_that_fails_ends_no_training(tmp_path, caplog):
    loggers = [*standard_loggers(str(tmp_path)), Failing(str(tmp_path))]
    with caplog.at_level(logging.WARNING):
        for epoch in (1, 2):
            log_epoch(loggers, epoch, 0.001, *STATS)
    assert len(rows(tmp_path)) == 2 and loggers[-1].calls == 1
    (told,) = [record.getMessage() for record in caplog.records if "failing" in record.getMessage()]
    assert "failing gets no more of this run (ConnectionError: no route to host)" in told


def test_a_run_that_carries_on_may_name_other_trackers(small, tmp_path, monkeypatch):
    sent, find = [], importlib.util.find_spec

    class Counting(Tracker):
        package = "counting"

        def send(self, meta, stats):
            sent.append(meta.get("epoch"))

    monkeypatch.setitem(TRACKERS, "wandb", Counting)
    monkeypatch.setattr(importlib.util, "find_spec", lambda it: it if it == "wandb" else find(it))
    train(small, tmp_path / "run", "--epochs", "1")
    train(small, tmp_path / "run", "--epochs", "2", hparams=named(tmp_path, "wandb"))
    assert sent == [2, None]  # the last is of the test
    assert len(rows(tmp_path / "run")) == 2


@needs("mlflow")
def test_mlflow_has_the_curves_of_a_run_that_was_resumed(tmp_path, monkeypatch):
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    for epoch in (1, 2, 3):  # each in a process of its own
        tracker = make_tracker("mlflow", str(tmp_path / "run"))
        log_epoch([tracker], epoch, 0.001, *STATS)
        assert not tracker.failed
    log_test([tracker], {"best epoch": 3}, 0.2, "done")
    client = MlflowClient()
    (experiment,) = [e for e in client.search_experiments() if e.name == "TinyVoxCeleb"]
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_name == "run"
    history = client.get_metric_history(run.info.run_id, "valid_eer")
    assert [(point.step, point.value) for point in history] == [(n, 0.125) for n in (1, 2, 3)]
    assert run.data.metrics["test_eer"] == 0.2 and run.data.metrics["lr"] == 0.001


@needs("wandb")
def test_wandb_has_a_run_without_network(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    (tmp_path / "run").mkdir()
    tracker = make_tracker("wandb", str(tmp_path / "run"))
    for epoch in (1, 2):
        log_epoch([tracker], epoch, 0.001, *STATS)
    assert not tracker.failed
    run = tracker.run.run
    assert run.summary["valid"]["eer"] == 0.125 and run.step == 2
    assert run.id == tracker.id[:32] and run.name == "run"
    run.finish()
    assert list((tmp_path / "run/wandb").glob("offline-run-*/*.wandb"))

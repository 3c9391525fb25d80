"""Commands that are killed beside others leave, typed again, what an undisturbed one leaves."""

import os
import random
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.kills import kill_and_compare, verification
from benchmarks.struck import Command
from local.corpora.__main__ import prepare
from local.report.__main__ import main as report
from running import train, verify
from warm_python import warm_python


@pytest.fixture(scope="module")
def run(run, small):
    """A run that has been trained, and verified once."""
    lists = [small.corpus / "dev_trials.txt"]
    verify(run, [small.shards / "dev"], lists, run / "scores.txt", "--num_bootstrap", "0")
    return run


def commands(small, run, folder):
    corpus, lists = small.corpus, {s: small.corpus / f"{s}_trials.txt" for s in ("val", "dev")}
    options = ["--in", corpus, "--meta", corpus / "tiny_meta.csv", "--out", folder / "shards"]
    yield Command("shards", ["-m", "local.shards", *options], folder / "shards")
    copy = folder / "run"
    yield verification("verification", copy, small.shards, lists, "two.txt", "--num_bootstrap", "0")
    options = [copy, "--out", copy / "report.html", "--projector", copy / "projector"]
    yield Command("report", ["-m", "local.report", *options], copy)


@pytest.mark.long
@pytest.mark.parametrize("number", range(3), ids=["shards", "verification", "report"])
def test_killed_at_random_moments_beside_another(small, run, tmp_path, number):
    command = list(commands(small, run, tmp_path))[number]
    command.python, command.before = warm_python(), run if number else None
    kills = kill_and_compare(command, 2, random.Random(number))
    assert not kills.faults, "\n".join(kills.faults)
    assert kills.counts["cases"] == 2 and kills.counts["two jobs"] >= 1


def names(folder):
    return {path for path in folder.rglob("*") if not path.name.startswith("events")}


def test_what_killed_processes_left_goes_where_nothing_is_written_again(small, run, tmp_path):
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=-1)
    host = socket.gethostname()
    folder, lists = tmp_path / "run", [small.corpus / "dev_trials.txt"]
    shutil.copytree(run, folder)
    prepare("synthetic", None, tmp_path / "data", 123)

    def again():
        train(small, folder)
        verify(folder, [small.shards / "dev"], lists, folder / "scores.txt", *decide)
        report([str(folder)])
        prepare("synthetic", None, tmp_path / "data", 123)

    decide = ("--num_bootstrap", "0", "--calibration_trials", str(lists[0]))
    again()
    before = names(tmp_path)
    for name in (
        *("run/.lock", "run/inference/.decision.lock", "run/tensorboard/.projector.lock"),
        *("data/.corpus.lock", "data/.corpus.source.lock"),
    ):
        Path(tmp_path, name).touch()
    for name in (
        *("run/.scores.json", "run/.train_log.csv", "run/index/.train.npz", "data/.corpus"),
        *("run/embeddings/.dev-0123.npz", "run/inference/.decision.json", "run/inference/.a.npz"),
        "run/tensorboard/.projector",
    ):
        left = Path(tmp_path, f"{name}.{host}-{int(done.stdout)}.partial")
        left.mkdir() if name.endswith((".corpus", ".projector")) else left.write_text("half")
    alive = tmp_path / f"run/embeddings/.dev-0123.npz.{host}-{os.getppid()}.partial"
    alive.touch()
    again()
    assert names(tmp_path) == before | {alive}

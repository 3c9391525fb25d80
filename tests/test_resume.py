"""A training that is stopped or killed at any moment and started again: the same numbers."""

import csv
import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch
from running import ECAPA, PROTOTYPE, QUICK, TINY_ECAPA, data_options, train

from conftest import RECIPE

LONG = ("--epochs", "3", "--crops_per_utterance", "20")  # 45 steps an epoch


def command(small, output, *options, hparams=PROTOTYPE):
    argv = [hparams, *data_options(small), "--output_folder", str(output), *QUICK, *options]
    return [sys.executable, str(RECIPE / "train_speaker_embeddings.py"), *argv]


def start(small, output, *options, **others):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    # As SLURM does, signals go to all processes of the training, its workers included.
    return subprocess.Popen(command(small, output, *options, **others), process_group=0, **pipes)


def wait_for(process, output, pattern):
    while not list(output.glob(pattern)):
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.01)


def rows(folder):
    with open(folder / "train_log.csv", newline="") as fin:
        return list(csv.DictReader(fin))


def weights(folder, epoch=3):
    (checkpoint,) = folder.glob(f"save/CKPT+epoch_{epoch:04d}*")
    files = sorted(path for path in checkpoint.iterdir() if path.suffix == ".ckpt")
    assert {"embedding_model.ckpt", "classifier.ckpt", "optimizer.ckpt"} <= {f.name for f in files}
    return {path.name: path.read_bytes() for path in files if path.name != "brain.ckpt"}


def assert_same(resumed, whole):
    assert rows(resumed) == rows(whole)
    assert weights(resumed) == weights(whole)
    assert (resumed / "inference").is_dir()
    assert not [path for path in resumed.rglob("*") if "partial" in path.name]
    assert not list(resumed.glob("save/.unfinished*"))


@pytest.fixture(scope="module")
def whole(small, tmp_path_factory):
    """A run that nothing has interrupted."""
    return train(small, tmp_path_factory.mktemp("whole"), *LONG)


@pytest.mark.parametrize(
    "number, workers",
    [(signal.SIGUSR1, 2), (signal.SIGTERM, 2), (signal.SIGINT, 0)],
    ids=["USR1", "TERM", "Ctrl-C"],
)
def test_stopped_by_a_signal(small, tmp_path, whole, number, workers):
    options = (*LONG, "--ckpt_interval_steps", "1", "--num_workers", str(workers))
    process = start(small, tmp_path, *options)
    wait_for(process, tmp_path, "save/CKPT+epoch_0001*")  # then wait for a step of the second
    wait_for(process, tmp_path, "save/CKPT+2*")
    os.killpg(process.pid, number)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 128 + number, output
    said = [line for line in output.splitlines() if "stopped by" in line]
    assert len(said) == 1 and f"stopped by {number.name} in epoch " in said[0]
    assert "of 45 steps; the same command carries on" in said[0] and "Traceback" not in output
    assert len(rows(tmp_path)) < 3
    assert_same(train(small, tmp_path, *LONG), whole)


def test_a_signal_before_the_first_step_ends_it(small, tmp_path):
    process = start(small, tmp_path, *LONG)
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) in (-signal.SIGTERM, 128 + signal.SIGTERM)
    process.stdout.close()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_at_a_random_moment(small, tmp_path, whole, seed):
    process = start(small, tmp_path, *LONG, "--ckpt_interval_steps", "2")
    wait_for(process, tmp_path, "save/CKPT*")
    time.sleep(random.Random(seed).uniform(0, 0.7))
    process.kill()
    process.communicate()
    assert not (tmp_path / "inference").exists(), "it was complete before it was killed"
    assert_same(train(small, tmp_path, *LONG), whole)


def test_within_an_epoch_of_ecapa(small, tmp_path):
    # Batch normalisation, random pooling noise, a falling learning rate, gradients of two batches
    options = (*TINY_ECAPA, "--epochs", "3", "--crops_per_utterance", "6")
    options = (*options, "--grad_accumulation_factor", "2")
    whole = train(small, tmp_path / "whole", *options, hparams=ECAPA)
    process = start(
        small, tmp_path / "killed", *options, "--ckpt_interval_steps", "2", hparams=ECAPA
    )
    wait_for(process, tmp_path / "killed", "save/CKPT+2*")
    process.kill()
    process.communicate()
    rates = {row["lr"] for row in rows(whole)}
    assert len(rates) == 3
    assert_same(train(small, tmp_path / "killed", *options, hparams=ECAPA), whole)


def test_checkpoints_by_the_clock(small, tmp_path):
    process = start(small, tmp_path, *LONG, "--ckpt_interval_minutes", "1", "--epochs", "1000")
    wait_for(process, tmp_path, "save/CKPT+epoch_0001*")
    assert not list(tmp_path.glob("save/CKPT+2*"))  # not a minute yet
    process.kill()
    process.communicate()


def test_fused_adam_of_a_checkpoint(whole):
    state = torch.load(next(whole.glob("save/CKPT+epoch_0003*")) / "optimizer.ckpt")
    assert state["param_groups"][0]["fused"] is True

"""A training that is stopped or killed at any moment and started again: the same numbers."""

import os
import random
import shutil
import signal
import sys
import time

import pytest
import speechbrain as sb
import torch

from local.training.resumable_brain import ResumableBrain
from running import ECAPA, TINY_ECAPA, killed_after, rows, train
from starting import finish, kill, start, wait_for

pytestmark = pytest.mark.long

LONG = ("--epochs", "3", "--crops_per_utterance", "20")  # 45 steps an epoch


def weights(folder, epoch=3):
    (checkpoint,) = folder.glob(f"save/CKPT+epoch_{epoch:04d}*")
    files = sorted(path for path in checkpoint.iterdir() if path.suffix == ".ckpt")
    assert {"embedding_model.ckpt", "classifier.ckpt", "optimizer.ckpt"} <= {f.name for f in files}
    return {path.name: path.read_bytes() for path in files if path.name != "brain.ckpt"}


def assert_same(resumed, whole):
    assert rows(resumed) == rows(whole)
    assert weights(resumed) == weights(whole)
    assert (resumed / "train_log.txt").read_text() == (whole / "train_log.txt").read_text()
    assert (resumed / "inference").is_dir()
    assert not [path for path in resumed.rglob("*") if "partial" in path.name]
    assert not list(resumed.glob("save/.unfinished*"))


@pytest.fixture(scope="module")
def whole(small, once):
    """A run that nothing has interrupted."""
    return once("uninterrupted", lambda at: train(small, at / "run", *LONG)) / "run"


@pytest.fixture(scope="module")
def seconds(small, once):
    """How long such a run takes from its first checkpoint to its end."""

    def measure(folder):
        process = start(small, folder / "run", *LONG, "--ckpt_interval_steps", "2")
        wait_for(process, folder / "run", "save/CKPT*")
        begin = time.monotonic()
        finish(process)
        (folder / "seconds").write_text(str(time.monotonic() - begin))

    return float((once("timed", measure) / "seconds").read_text())


@pytest.mark.parametrize(
    "number, workers",
    [(signal.SIGUSR1, 2), (signal.SIGTERM, 2), (signal.SIGINT, 0)],
    ids=["USR1", "TERM", "Ctrl-C"],
)
def test_stopped_by_a_signal(small, tmp_path, whole, number, workers):
    options = (*LONG, "--ckpt_interval_steps", "2", "--num_workers", str(workers))
    # Passed on to a warm process, which is of the group, Ctrl-C would reach it twice.
    python = sys.executable if number == signal.SIGINT else None
    process = start(small, tmp_path, *options, python=python)
    wait_for(process, tmp_path, "train_log.csv")  # then wait for a step of the second epoch
    wait_for(process, tmp_path, "save/CKPT+2*")
    # As SLURM does, signals go to all processes of the training, its workers included.
    os.killpg(process.pid, number)
    output = "".join(process.communicate(timeout=60))
    assert process.returncode == 128 + number, output
    said = [line for line in output.splitlines() if "stopped by" in line]
    assert len(said) == 1 and f"stopped by {number.name} in epoch " in said[0]
    assert "of 45 steps; the same command carries on" in said[0] and "Traceback" not in output
    assert len(rows(tmp_path)) < 3
    assert_same(train(small, tmp_path, *LONG), whole)


def test_a_signal_before_the_first_step_ends_it(small, tmp_path):
    process = start(small, tmp_path, *LONG, python=sys.executable)
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode in (-signal.SIGTERM, 128 + signal.SIGTERM)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_at_a_random_moment(small, tmp_path, whole, seconds, seed):
    process = start(small, tmp_path, *LONG, "--ckpt_interval_steps", "2")
    wait_for(process, tmp_path, "save/CKPT*")
    time.sleep((seed - random.Random(seed).random()) / 3 * seconds)  # in each third of the run
    kill(process)
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
    kill(process)
    rates = {row["lr"] for row in rows(whole)}
    assert len(rates) == 3
    assert_same(train(small, tmp_path / "killed", *options, hparams=ECAPA), whole)


def test_stopped_after_the_last_step_of_an_epoch(small, tmp_path, whole):
    with killed_after(epoch=2, step=45):
        train(small, tmp_path, *LONG, "--ckpt_interval_steps", "45")
    assert len(rows(tmp_path)) == 1
    assert_same(train(small, tmp_path, *LONG), whole)


def test_killed_before_the_network_was_written(small, tmp_path, whole, capsys):
    run = shutil.copytree(whole, tmp_path / "run")
    shutil.rmtree(run / "inference")
    # epochs are complete: only the test and the network are left to do
    train(small, run, *LONG)
    log = (run / "train_log.txt").read_text().splitlines()
    assert log == (whole / "train_log.txt").read_text().splitlines()  # tested twice, told once
    train(small, run, *LONG, "--num_workers", "1", "--stage_shards_to", str(tmp_path / "fast"))
    assert "this run is complete" in capsys.readouterr().out


@pytest.mark.parametrize("minutes, expected", [(0, []), (1, [3, 6, 9]), (2, [5])])
def test_checkpoints_by_the_clock(small, tmp_path, monkeypatch, minutes, expected):
    steps, saved = [], []
    fit_batch, save = ResumableBrain.fit_batch, ResumableBrain._save_intra_epoch_ckpt
    for name, method, log in (
        ("fit_batch", fit_batch, steps),
        ("_save_intra_epoch_ckpt", save, saved),
    ):

        def logged(brain, *args, method=method, log=log):
            log.append(brain.step)
            return method(brain, *args)

        monkeypatch.setattr(ResumableBrain, name, logged)
    monkeypatch.setattr(time, "time", lambda: 30 * len(steps))  # a step takes half a minute
    options = ("--ckpt_interval_minutes", str(minutes), "--crops_per_utterance", "4")
    train(small, tmp_path, *options, "--epochs", "1")
    assert len(steps) == 9
    # Where more than so many minutes have gone by since the last one.
    assert saved == expected


def test_stopped_in_a_validation(small, tmp_path, whole):
    stopped = []
    with pytest.MonkeyPatch.context() as patch:

        def signalled(brain, batch, stage):
            if stage == sb.Stage.VALID and brain.epoch == 2 and not stopped:
                stopped.append(brain.step)
                os.kill(os.getpid(), signal.SIGUSR1)
            return evaluate_batch(brain, batch, stage)

        evaluate_batch = ResumableBrain.evaluate_batch
        patch.setattr(ResumableBrain, "evaluate_batch", signalled)
        with pytest.raises(SystemExit) as stop:
            train(small, tmp_path, *LONG)
    assert stop.value.code == 138 and stopped == [1]
    assert len(rows(tmp_path)) == 1
    assert_same(train(small, tmp_path, *LONG), whole)


def test_one_training_in_a_folder(small, tmp_path, capsys):
    process = start(small, tmp_path, *LONG, "--epochs", "1000")
    wait_for(process, tmp_path, "save/CKPT+epoch_0001*")
    with pytest.raises(SystemExit):
        train(small, tmp_path, *LONG, "--epochs", "1000")
    assert "another training is at work there" in capsys.readouterr().err
    kill(process)
    # It had no chance to say that it is not at work any more.
    epochs = len(rows(tmp_path)) + 1
    run = train(small, tmp_path, *LONG, "--epochs", str(epochs))
    assert [row["epoch"] for row in rows(run)] == [str(n) for n in range(1, epochs + 1)]


def test_fused_adam_of_a_checkpoint(whole):
    state = torch.load(next(whole.glob("save/CKPT+epoch_0003*")) / "optimizer.ckpt")
    assert state["param_groups"][0]["fused"] is True

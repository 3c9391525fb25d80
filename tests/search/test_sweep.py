"""The search: several processes on one study, kills, bad trials, and what it refuses."""

import csv
import os
import signal
import subprocess
import sys
import time

import pytest

import sweep
from conftest import RECIPE
from local.search.study import open_study
from local.search.trial import val_eers
from local.shards import index_shards
from running import PROTOTYPE, QUICK, close_logs, data_options, one_line, train
from shard_writing import member_pair, write_tar
from warm_python import warm_python

pytestmark = pytest.mark.long

# Drawn so that trials 1 and 5 learn nothing, 2 and 4 diverge.
SWEEP = """
n_trials: 6
seed: 1629
sampler: !name:optuna.samplers.RandomSampler
pruner: !new:optuna.pruners.MedianPruner
  n_startup_trials: 1
parameters:
  learning_rate: {choices: [0.003, 0.0, 1.0e+30]}
  shuffle_buffer: {low: 10, high: 20}
"""
RATES = [0.003, 0.0, 1e30, 0.003, 1e30, 0.0]
# Slow enough to be met in the middle.
SLOW = ("--epochs", "6", "--crops_per_utterance", "10")


class Search:
    """The command line of a search in a folder."""

    def __init__(self, small, folder, text=SWEEP):
        self.small, self.folder = small, folder / "study"
        self.sweep_file = folder / "sweep.yaml"
        self.sweep_file.write_text(text)
        self.data = data_options(small)

    def argv(self, *options):
        own = [PROTOTYPE, str(self.sweep_file), "--study_folder", str(self.folder)]
        return [*own, *self.data, *QUICK, *SLOW, *options]

    def run(self, *options):
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(sys, "executable", warm_python())  # for the trainings
                sweep.main(self.argv(*options))
        finally:
            close_logs()

    def start(self, *options):
        """Begin in a process that leads a group of its own, its training included."""
        command = [warm_python(), str(RECIPE / "sweep.py"), *self.argv(*options)]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, process_group=0, **streams)

    def wait_for_checkpoint(self, number, process):
        while not list(self.folder.glob(f"trials/{number}/save/CKPT+epoch_0001*")):
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)

    def trials(self):
        return open_study(self.folder).get_trials()

    def states(self):
        return [trial.state.name for trial in self.trials()]


def test_bad_trials_end_early_and_killed_ones_carry_on(small, tmp_path, capsys):
    search = Search(small, tmp_path)
    search.run("--n_trials", "2")
    assert search.states() == ["COMPLETE", "PRUNED"]
    stopped = search.folder / "trials/1"
    assert 1 <= len(val_eers(stopped)) < 6 and not (stopped / "inference").exists()

    # Two processes on the same study, killed with their trainings in the middle of trial 3.
    searches = [search.start(), search.start()]
    search.wait_for_checkpoint(3, searches[0])
    for process in searches:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert search.states()[3] == "RUNNING"
    half = val_eers(search.folder / "trials/3")
    assert 1 <= len(half) < 6
    with open(search.folder / "journal.log", "a") as journal:
        journal.write('{"op_code":4,"wor')  # as a full disk leaves it

    other = search.start()
    search.run()
    _, stderr = other.communicate()
    assert other.returncode == 0, stderr
    assert search.states() == ["COMPLETE", "PRUNED", "PRUNED", "COMPLETE", "PRUNED", "PRUNED"]
    trials = search.trials()
    assert [trial.params["learning_rate"] for trial in trials] == RATES
    assert trials[2].user_attrs["why"] == "diverged"
    assert "loaded the checkpoint" in (search.folder / "trials/3/log.txt").read_text()
    # What a training without a search gives.
    plain = val_eers(train(small, tmp_path / "plain", *SLOW, "--learning_rate", "0.003"))
    for number in (0, 3):
        assert val_eers(search.folder / f"trials/{number}") == plain
        assert trials[number].intermediate_values == plain
        assert trials[number].value == min(plain.values())

    capsys.readouterr()
    search.run("--report")
    output = capsys.readouterr().out
    assert f"best: trial 0, val EER {min(plain.values()):.2%}" in output
    assert f"--learning_rate 0.003 --shuffle_buffer {trials[0].params['shuffle_buffer']} " in output
    with open(search.folder / "trials.csv", newline="") as fin:
        rows = list(csv.DictReader(fin))
    assert [row["trial"] for row in rows] == list("012345")
    assert [float(rows[number]["val EER (%)"]) for number in (0, 3)] == [
        pytest.approx(100 * min(plain.values()), abs=0.005)
    ] * 2
    for name in ("history.png", "slices.png"):
        assert (search.folder / name).read_bytes().startswith(b"\x89PNG")


def test_a_signal_stops_a_search_with_a_checkpoint(small, tmp_path):
    search = Search(small, tmp_path)
    process = search.start()
    search.wait_for_checkpoint(0, process)
    process.send_signal(signal.SIGUSR1)
    _, stderr = process.communicate()
    assert process.returncode == 128 + signal.SIGUSR1
    assert stderr.splitlines()[-1].startswith("stopped by SIGUSR1 in trial 0 after ")
    assert search.states() == ["RUNNING"]
    said = (search.folder / "trials/0/output.txt").read_text()
    assert "stopped by SIGTERM in epoch" in said


def test_a_failing_training_ends_the_search_and_does_not_count(small, tmp_path, capsys):
    search = Search(small, tmp_path)
    (tmp_path / "empty.txt").touch()
    search.data[search.data.index("--val_trials_path") + 1] = str(tmp_path / "empty.txt")
    message = one_line(capsys, search.run)
    assert "trial 0: its training has failed (error: " in message and "empty.txt" in message
    assert search.states() == ["FAIL"]


def test_another_study_is_refused(small, own_shards, tmp_path, capsys):
    search = Search(small, tmp_path)
    search.data = data_options(small, own_shards)
    begin = ("--n_trials", "0")
    search.run(*begin)
    message = one_line(capsys, search.run, *begin, "--random_seed", "1")
    assert "holds a study with random_seed: 1337, now it is 1: choose another" in message
    for old, new, key in (
        ("high: 20", "high: 30", "parameters.shuffle_buffer.high: 20, now it is 30: "),
        ("high: 20", "high: 20, step: 2", "parameters.shuffle_buffer.step: None, now it is 2: "),
        ("  shuffle_buffer: {low: 10, high: 20}\n", "", "parameters.shuffle_buffer.high: 20, now "),
    ):
        search.sweep_file.write_text(SWEEP.replace(old, new))
        assert f"holds a study with {key}" in one_line(capsys, search.run, *begin)
    search.sweep_file.write_text(SWEEP.replace("n_trials: 6", "n_trials: 7 # more"))
    search.run(*begin)
    speaker = index_shards(own_shards / "train")[0]
    more = member_pair(0, f"{speaker.speaker_id}/new/0", speaker.class_idx)
    write_tar(own_shards / "train/shard-000001.tar", more)
    assert "holds a study with train_content" in one_line(capsys, search.run, *begin)


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("learning_rate", "learning_rat", "learning_rat: unknown key of "),
        ("{low: 10, high: 20}", "{low: 20, high: 10}", "shuffle_buffer: "),
        ("{low: 10, high: 20}", "{low: 0, high: 20}", "shuffle_buffer: expected a whole number"),
        ("{low: 10, high: 20}", "{low: 10}", "shuffle_buffer: expected {low: ..., high: ...}"),
        ("{low: 10, high: 20}", "{choices: []}", "shuffle_buffer: "),
        ("{low: 10, high: 20}", "{choices: [few]}", "shuffle_buffer: expected a whole number"),
        ("n_trials: 6", "n_trials: many", "n_trials: expected a whole number from 1"),
        ("seed: 1629", "metric: dev_eer", "expected the keys "),
        ("optuna.samplers.RandomSampler", "optuna.samplers.Chance", "Chance"),
        ("!name:optuna.samplers.RandomSampler", "random", "expected !name:optuna.samplers."),
        ("samplers.RandomSampler", "samplers.GridSampler", "expected !name:optuna.samplers."),
        ("!new:optuna.pruners.MedianPruner", "", "pruner: expected !new:optuna.pruners."),
    ],
)
def test_sweep_files_that_cannot_be(small, tmp_path, capsys, old, new, message):
    search = Search(small, tmp_path, SWEEP.replace(old, new))
    said = one_line(capsys, search.run)
    assert said.startswith(f"error: {search.sweep_file}: ") and message in said


@pytest.mark.parametrize(
    "option, message",
    [
        (("--output_folder", "x"), "--output_folder: each trial has its own"),
        (("--learning_rate", "1"), "--learning_rate: "),
        (("--n_trials", "-1"), "--n_trials: expected a whole number"),
        (("--report",), "no study there"),
    ],
)
def test_options_that_cannot_be(small, tmp_path, capsys, option, message):
    assert message in one_line(capsys, Search(small, tmp_path).run, *option)


def test_the_sweep_files_fit_their_hparams(small, capsys, tmp_path):
    for path in (RECIPE / "sweeps").glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        assert f"python sweep.py hparams/{path.name} sweeps/{path.name} " in text
        folder = tmp_path / path.stem
        argv = [str(RECIPE / "hparams" / path.name), str(path), "--study_folder", str(folder)]
        sweep.main([*argv, *data_options(small), "--n_trials", "0"])
        assert "no complete trial yet" in capsys.readouterr().out

"""Trainings that are told in steps, and what they say of their length; recordings of a run."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

from conftest import RECIPE
from running import killed_after, make_brain, one_line, rows, train
from starting import finish, start

pytestmark = pytest.mark.long

BEST, FULL, QUICK = (
    str(RECIPE / f"hparams/{name}.yaml") for name in ("best", "best_full", "quick")
)
TINY = (
    *("--base_channels", "2", "--blocks", "[1,1,1,1]", "--embedding_size", "8", "--rooms", "2"),
    *("--audio_length_num_frames", "8000", "--stem_stride", "2", "--average_checkpoints", "1"),
    *("--precision", "fp32"),
)
STEPS = (*TINY, "--steps", "14", "--epochs", "3")  # of 8 of 18 utterances: 4, 5 and 5
LENGTH, TIME = re.compile(r"steps in \d+ epochs?.*"), re.compile(r"a step takes .*")


def network(run):
    return torch.load(run / "inference/embedding_model.ckpt")


def same_network(run, other):
    first, second = network(run), network(other)
    return all(torch.equal(first[name], second[name]) for name in first)


def said(run, pattern):
    return pattern.findall((run / "log.txt").read_text())


@pytest.fixture(scope="module")
def whole(small, tmp_path_factory):
    """A run of 14 steps that nothing has interrupted."""
    return train(small, tmp_path_factory.mktemp("whole"), *STEPS, hparams=BEST)


def test_steps_are_exact_and_schedules_follow(whole):
    names = sorted(path.name for path in whole.glob("save/CKPT*"))
    assert re.search(r"epoch_0003.step_0*14\b", names[-1])
    assert [float(row["lr"]) for row in rows(whole)][-1] == 0  # the last of the schedule
    record = (whole / "experiment.yaml").read_text()
    assert record.count("num_batches: 14\n") == 2
    assert 'training_length: "14 steps in 3 epochs"\n' in record


def test_a_run_says_its_length_and_its_time_once(whole):
    (length,) = said(whole, LENGTH)
    assert length == (
        "steps in 3 epochs: 8 crops of 0.5 s a step, about 6.22 of each of 18 utterances in all"
    )
    (time,) = said(whole, TIME)
    assert re.fullmatch(
        r"a step takes \S+ s, so the 3 left will take 0:00:\d\d, without the validations", time
    )


def test_a_run_carries_on_from_any_step(small, tmp_path, whole):
    options = (*STEPS, "--ckpt_interval_steps", "1")
    with killed_after(epoch=2, step=4):
        train(small, tmp_path / "run", *options, hparams=BEST)
    run = train(small, tmp_path / "run", *options, hparams=BEST)
    assert rows(run) == rows(whole) and same_network(run, whole)
    first, second = said(run, LENGTH)
    assert first.startswith("steps in 3 epochs: ")
    assert second.startswith("steps in 3 epochs, 8 of them done: ")
    assert said(run, TIME) == []  # less than ten steps each


def test_two_processes_share_the_steps(small, tmp_path):
    finish(start(small, tmp_path / "run", *STEPS, hparams=BEST, processes=2))
    assert len(said(tmp_path / "run", LENGTH)) == 1
    names = sorted(path.name for path in (tmp_path / "run").glob("save/CKPT*"))
    assert re.search(r"epoch_0003.step_0*14\b", names[-1])


@pytest.mark.parametrize(
    "options, message",
    [
        (("--steps", "15"), "with steps: 14, now it is 15"),
        (("--epochs", "4"), "with training_length: 14 steps in 3 epochs, now it is 14 steps in 4"),
        (("--steps", "0", "--crops_per_utterance", "2"), "with crops_per_utterance: 32, now it is"),
    ],
)
def test_a_run_keeps_to_its_steps(small, whole, capsys, options, message):
    line = one_line(capsys, train, small, whole, *STEPS, *options, hparams=BEST)
    assert message in line


def test_a_bound_holds_for_a_corpus_that_is_larger(small, tmp_path):
    def batches(hparams, *options):
        options = (*TINY, *options, "--epochs", "2")
        return make_brain(small, tmp_path, *options, hparams=hparams).hparams.data.num_batches

    assert batches(QUICK, "--min_epoch_steps", "0", "--crops_per_utterance", "4") == 18
    assert batches(QUICK, "--min_epoch_steps", "9", "--max_steps", "17") == 17
    assert batches(BEST) == 144
    assert batches(BEST, "--max_steps", "11") == 11
    assert batches(FULL) == 40000
    assert batches(FULL, "--steps", "3") == 3


def test_fewer_steps_than_epochs_are_one_line(small, tmp_path, capsys):
    options = (*TINY, "--steps", "2", "--epochs", "3")
    line = one_line(capsys, train, small, tmp_path / "run", *options, hparams=BEST)
    assert "steps 2: expected one or more in each of 3 epochs; give fewer --epochs" in line


def test_without_steps_and_recordings_nothing_has_changed(small, tmp_path):
    """The recipe with the keys of former versions has the same batches, noise and weights."""
    text = Path(BEST).read_text(encoding="utf-8")
    former = text.replace("  steps: !ref <steps>\n  max_steps: !ref <max_steps>\n", "")
    former = re.sub(r"(?m)^(steps|max_steps|noise_folder|rir_folder): .*\n", "", former)
    former = re.sub(r"    - !new:local.augmentation.RecordedNoise\n.*\n.*\n", "", former)
    former = former.replace(
        "choose_rooms\n        folder: !ref <rir_folder>\n        cache: !ref <shard_cache>\n",
        "simulated_rooms\n",
    )
    assert len(text.splitlines()) - len(former.splitlines()) == 11
    (tmp_path / "former.yaml").write_text(former, encoding="utf-8")
    options = (*TINY, "--crops_per_utterance", "3", "--augmented", "1", "--epochs", "1")
    now = train(small, tmp_path / "now", *options, hparams=BEST)
    then = train(small, tmp_path / "then", *options, hparams=str(tmp_path / "former.yaml"))
    assert rows(now) == rows(then) and same_network(now, then)
    record = (now / "experiment.yaml").read_text()
    assert "\nrecordings: " not in record and "\ntraining_length: " not in record


def test_a_run_with_noise_and_rooms_keeps_to_them(small, tmp_path, capsys):
    rng = np.random.default_rng(0)
    for name, length in (("noise/a.wav", 20000), ("rooms/a.wav", 3000), ("rooms/b.wav", 4000)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        sf.write(
            tmp_path / name, 0.1 * rng.normal(size=length) * np.geomspace(1, 0.1, length), 16000
        )

    def run_with(place, *more):
        folders = ("--noise_folder", str(place / "noise"), "--rir_folder", str(place / "rooms"))
        few = (*TINY, "--steps", "3", "--epochs", "1")
        return train(small, tmp_path / "run", *few, *folders, *more, hparams=BEST)

    with killed_after(epoch=1, step=1):
        run_with(tmp_path, "--ckpt_interval_steps", "1")
    for name in ("noise", "rooms"):
        (tmp_path / "moved").mkdir(exist_ok=True)
        shutil.move(tmp_path / name, tmp_path / "moved" / name)
    run = run_with(tmp_path / "moved")
    record = (run / "experiment.yaml").read_text()
    assert re.search(r'recordings: "rir-\w{16}, noise-\w{16}"\n', record)
    assert re.search(r"\nnoise_folder:\s+\S+/moved/noise", record)
    # What is left needs none of them.
    shutil.copytree(run / "inference", tmp_path / "elsewhere")
    assert not re.search(
        "noise_folder|rir_folder", (run / "inference/hyperparams.yaml").read_text()
    )
    capsys.readouterr()
    run_with(tmp_path / "moved")
    assert "this run is complete" in capsys.readouterr().out
    sf.write(tmp_path / "moved/noise/b.wav", 0.1 * rng.normal(size=9000), 16000)
    line = one_line(capsys, run_with, tmp_path / "moved")
    assert "holds a run with recordings: rir-" in line
    (tmp_path / "empty/rooms").mkdir(parents=True)
    shutil.copytree(tmp_path / "moved/noise", tmp_path / "empty/noise")
    line = one_line(capsys, run_with, tmp_path / "empty")
    assert "rir_folder" in line and "no recordings in it" in line

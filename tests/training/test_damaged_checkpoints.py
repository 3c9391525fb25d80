"""Full disks and power cuts: one line, the last checkpoint whole, a damaged one passed over."""

import contextlib
import errno
import json
import logging
import os
import resource
import shutil
import subprocess

import pytest
import torch

from conftest import RECIPE
from local.errors import RecipeError
from local.training.checkpointer import AtomicCheckpointer
from local.training.checksums import CHECKSUMS
from local.training.loggers import LogFile
from running import one_line, rows, train, verify
from starting import start
from warm_python import warm_python

DAMAGES = {
    "empty": lambda content: b"",
    "zeros": lambda content: bytes(len(content)),
    "cut short": lambda content: content[: len(content) // 2],
    "a block of zeros": lambda content: content[:500] + bytes(64) + content[564:],
    "missing": None,
}


def spoil(path, damage):
    if DAMAGES[damage] is None:
        path.unlink()
    else:
        path.write_bytes(DAMAGES[damage](path.read_bytes()))


def make_checkpointer(folder):
    network = torch.nn.Linear(20, 20)
    optimizer = torch.optim.Adam(network.parameters())
    return AtomicCheckpointer(folder, {"network": network, "optimizer": optimizer})


def names(folder):
    return sorted(path.name[:15] for path in folder.iterdir())


@pytest.mark.parametrize("record", [True, False], ids=["", "of a former version"])
@pytest.mark.parametrize("file", ["network.ckpt", "optimizer.ckpt", "CKPT.yaml"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    tmp_path, caplog, damage, file, record
):
    checkpointer = make_checkpointer(tmp_path)
    for epoch, eer in ((1, 0.3), (2, 0.2), (3, 0.1)):
        checkpointer.keep_epoch(epoch, 0, eer)
    *_, before, last = sorted(tmp_path.iterdir())
    if not record:
        for folder in (before, last):
            (folder / CHECKSUMS).unlink()
    if (file, damage) == ("CKPT.yaml", "a block of zeros"):
        damage = "cut short"  # it is shorter
    spoil(last / file, damage)
    again = make_checkpointer(tmp_path)
    assert again.recover_if_possible().path == before
    (said,) = [entry.getMessage() for entry in caplog.records if entry.levelname == "WARNING"]
    assert said.startswith(f"{last}: passed over, as its {file} is ")
    assert last.is_dir()
    again.keep_epoch(3, 0, 0.1)
    assert make_checkpointer(tmp_path).recover_if_possible().meta["epoch"] == 3


def test_a_disk_that_cannot_be_reached_is_no_damage(tmp_path, monkeypatch):
    checkpointer = make_checkpointer(tmp_path)
    for epoch in (1, 2, 3):
        checkpointer.keep_epoch(epoch, 0, 0.1)
    kept, last = names(tmp_path), max(tmp_path.iterdir())

    def stale(path):
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    with monkeypatch.context() as patched:
        patched.setattr("local.training.damage.measure", stale)
        with pytest.raises(RecipeError, match="cannot be read .Stale file handle.: give the"):
            make_checkpointer(tmp_path).recover_if_possible()
    again = make_checkpointer(tmp_path)
    assert again.recover_if_possible().path == last
    assert names(tmp_path) == kept


def test_a_record_in_ruins_is_damage_too(tmp_path):
    checkpointer = make_checkpointer(tmp_path)
    for epoch in (1, 2):
        checkpointer.keep_epoch(epoch, 0, 0.1)
    for content in ("", "{", "[1]", "\0" * 100):
        (max(tmp_path.iterdir()) / CHECKSUMS).write_text(content)
        assert make_checkpointer(tmp_path).recover_if_possible().meta["epoch"] == 1


def test_there_is_always_one_before(tmp_path):
    checkpointer = make_checkpointer(tmp_path)
    for epoch, eer in enumerate((0.3, 0.1, 0.2, 0.05, 0.04), start=1):
        for _ in range(3):
            checkpointer.keep_step()
            assert len(names(tmp_path)) >= 2 or epoch == 1
        assert len(names(tmp_path)) <= 5
        checkpointer.keep_epoch(epoch, 0, eer)
        assert 2 <= len(names(tmp_path)) <= 3
    assert sum(name.startswith("CKPT+epoch_0005") for name in names(tmp_path)) == 1


@pytest.mark.parametrize("average", [1, 2, 3])
def test_the_best_epoch_and_those_to_average_stay(tmp_path, average):
    checkpointer = make_checkpointer(tmp_path)
    for epoch, eer in enumerate((0.3, 0.1, 0.2, 0.25, 0.24), start=1):
        checkpointer.keep_epoch(epoch, 0, eer, average)
    epochs = [2, *range(6 - max(2, average), 6)]
    assert names(tmp_path) == [f"CKPT+epoch_{epoch:04d}" for epoch in epochs]


@pytest.mark.parametrize("damage", ["empty", "missing"])
def test_where_no_checkpoint_is_whole_nothing_begins_anew(tmp_path, damage):
    checkpointer = make_checkpointer(tmp_path)
    for epoch in (1, 2):
        checkpointer.keep_epoch(epoch, 0, 0.1)
    first, second = sorted(tmp_path.iterdir())
    spoil(first / "CKPT.yaml", damage)
    spoil(second / "network.ckpt", damage)
    with pytest.raises(RecipeError) as error:
        make_checkpointer(tmp_path).recover_if_possible()
    is_it = f"is {damage}"
    assert f"{first.name} (CKPT.yaml {is_it}), {second.name} (network.ckpt {is_it})" in str(
        error.value
    )
    assert "or remove this folder" in str(error.value)
    assert sorted(tmp_path.iterdir()) == [first, second]


@contextlib.contextmanager
def full_disk(patch, method, call):
    """From the given call on of a checkpointer's method, no file gets larger than 60,000 bytes."""
    calls, old = [], resource.getrlimit(resource.RLIMIT_FSIZE)
    original = getattr(AtomicCheckpointer, method)

    def limited(self, *args, **kwargs):
        calls.append(args)
        if len(calls) == call:
            resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, old[1]))
        return original(self, *args, **kwargs)

    patch.setattr(AtomicCheckpointer, method, limited)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        patch.undo()


@pytest.fixture(scope="module")
def whole(small, once):
    """A run that nothing has interrupted."""
    return once("undamaged", lambda at: train(small, at / "run", "--epochs", "3")) / "run"


def assert_same(run, whole):
    assert rows(run) == rows(whole)
    parts = [folder / "inference/embedding_model.ckpt" for folder in (run, whole)]
    assert parts[0].read_bytes() == parts[1].read_bytes()
    assert not list(run.glob("save/.unfinished*"))


@pytest.mark.parametrize(
    "method, call, left", [("keep_epoch", 1, 0), ("keep_epoch", 3, 2), ("keep_step", 4, 2)]
)
def test_a_full_disk_at_a_checkpoint(
    small, tmp_path, whole, monkeypatch, capsys, method, call, left
):
    options = ["--epochs", "3"]
    steps = ["--ckpt_interval_steps", "1"] if method == "keep_step" else []
    with full_disk(monkeypatch, method, call):
        line = one_line(capsys, train, small, tmp_path / "run", *options, *steps)
    saved = tmp_path / "run/save"
    assert line.startswith(f"error: {saved}: cannot be written: ")
    carries_on = "the same command again: it carries on from the last checkpoint, which is whole"
    assert line.endswith(carries_on if left else "then give the same command again")
    assert len(names(saved)) == left
    assert_same(train(small, tmp_path / "run", *options), whole)


@pytest.mark.parametrize("name", ["train_log.txt", "log.txt"])
def test_a_full_disk_at_another_file_of_a_training(small, tmp_path, name):
    (tmp_path / name).symlink_to("/dev/full")
    process = start(small, tmp_path)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    text = f"error: {tmp_path}/{name}: cannot be written: the disk is full: make room there"
    assert [line for line in err.splitlines() if "warn" not in line.lower()] == [
        f"{text}, then give the same command again"
    ]


CURVES = """
import resource, sys
from local.errors import one_line_errors
from local.training.loggers import EpochTensorboardLogger, log_test
with one_line_errors():
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
    for _ in range(9):
        log_test([EpochTensorboardLogger(sys.argv[1])], {"epoch": 1}, 0.5, "")
"""


@pytest.mark.parametrize("size", [0, 50, 100])
def test_a_full_disk_at_the_curves_of_tensorboard(tmp_path, size):
    command = [warm_python(), "-c", CURVES, str(tmp_path / "curves"), str(size)]
    options = {"cwd": RECIPE, "capture_output": True, "text": True, "timeout": 60}
    done = subprocess.run(command, **options)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1 and line.startswith(f"error: {tmp_path}/curves: cannot be written")


def test_a_power_cut_in_a_training(small, tmp_path, whole, caplog):
    train(small, tmp_path, "--epochs", "2")
    shutil.rmtree(tmp_path / "inference")
    (last,) = tmp_path.glob("save/CKPT+epoch_0002*")
    spoil(last / "optimizer.ckpt", "zeros")
    assert_same(train(small, tmp_path, "--epochs", "3"), whole)


def best(run):
    metas = {path.name.rpartition("_")[2]: path for path in sorted(run.glob("save/CKPT+epoch*"))}
    return metas[min(metas)]


@pytest.mark.parametrize("average", ["1", "2"])
def test_a_power_cut_before_the_network_is_left(small, tmp_path, capsys, average):
    options = ("--epochs", "3", "--average_checkpoints", average)
    run = train(small, tmp_path, *options)
    shutil.rmtree(run / "inference")
    spoil(best(run) / "embedding_model.ckpt", "a block of zeros")
    capsys.readouterr()
    train(small, tmp_path, *options)
    assert "passed over, as its embedding_model.ckpt is damaged" in capsys.readouterr().out
    assert (run / "inference/embedding_model.ckpt").is_file()


@pytest.mark.parametrize(
    "name, damage",
    [
        ("dev_eer.txt", "empty"),
        ("inference/embedding_model.ckpt", "empty"),
        ("inference/embedding_model.ckpt", "a block of zeros"),
        ("inference/label_encoder.ckpt", "zeros"),
        ("inference/hyperparams.yaml", "empty"),
        ("inference/experiment.yaml", "empty"),
    ],
)
def test_a_power_cut_at_the_end_is_made_good_by_the_same_command(
    small, tmp_path, whole, name, damage
):
    run = shutil.copytree(whole, tmp_path / "run")
    spoil(run / name, damage)
    train(small, run, "--epochs", "3")
    assert_same(run, whole)
    assert (run / name).read_bytes().strip(b"\0")


@pytest.mark.parametrize("damage", ["empty", "zeros"])
def test_a_run_whose_record_is_damaged_is_not_touched(small, tmp_path, whole, capsys, damage):
    run = shutil.copytree(whole, tmp_path / "run")
    shutil.rmtree(run / "inference")
    spoil(run / "experiment.yaml", damage)
    line = one_line(capsys, train, small, run, "--epochs", "3")
    assert f"{run}/experiment.yaml: empty or damaged" in line
    os.unlink(run / "experiment.yaml")
    assert_same(train(small, run, "--epochs", "3"), whole)


@pytest.mark.parametrize("name", ["embedding_model.ckpt", "hyperparams.yaml", "label_encoder.ckpt"])
@pytest.mark.parametrize("damage", ["empty", "zeros"])
def test_a_damaged_network_scores_nothing(small, tmp_path, whole, capsys, name, damage):
    run = shutil.copytree(whole, tmp_path / "run")
    shutil.rmtree(run / "embeddings", ignore_errors=True)
    spoil(run / "inference" / name, damage)
    dev, scores = small.corpus / "dev_trials.txt", tmp_path / "scores.txt"
    line = one_line(capsys, verify, run, [small.shards / "dev"], [dev], scores)
    assert f"inference/{name}: empty or damaged: run the training once more" in line
    assert not scores.exists()


def test_a_network_to_start_from_is_whole(small, tmp_path, whole, capsys):
    for name in ("embedding_model.ckpt", "label_encoder.ckpt", "experiment.yaml"):
        run = shutil.copytree(whole, tmp_path / name)
        spoil(run / "inference" / name, "zeros")
        hparams = str(RECIPE / "hparams/fine_tuning.yaml")
        options = ("--start_from", str(run))
        line = one_line(capsys, train, small, tmp_path / "new", *options, hparams=hparams)
        assert f"inference/{name}" in line and "empty or damaged" in line


def test_the_record_of_a_checkpoint_is_of_all_its_files(whole):
    for folder in whole.glob("save/CKPT*"):
        record = json.loads((folder / CHECKSUMS).read_text())
        assert record.keys() | {CHECKSUMS} == {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("steps", [0, 1, 3])
@pytest.mark.parametrize("average", [1, 3])
def test_a_training_that_is_over_leaves_the_same_checkpoints_wherever_it_was_killed(
    tmp_path, steps, average
):
    checkpointer = make_checkpointer(tmp_path)
    for epoch, eer in enumerate((0.3, 0.1, 0.2, 0.25), start=1):
        for _ in range(steps):
            checkpointer.keep_step()
        checkpointer.keep_epoch(epoch, 0, eer, average)
    checkpointer.keep_step()  # as if it had been killed before it removed this one
    checkpointer.keep_epochs(average)
    epochs = [2, 3, 4]  # the best, and the last two or three
    assert names(tmp_path) == [f"CKPT+epoch_{epoch:04d}" for epoch in epochs]


def test_a_log_call_that_is_wrong_does_not_end_a_training(tmp_path, capsys):
    log, odd = LogFile(tmp_path / "log.txt", encoding="utf-8"), logging.getLogger("odd")
    odd.propagate = False
    odd.addHandler(log)
    odd.error("%d files", "x")
    odd.error("files of \udcff")
    odd.removeHandler(log)
    log.close()
    assert (tmp_path / "log.txt").read_text() == "files of \\udcff\n"
    assert "--- Logging error ---" in capsys.readouterr().err

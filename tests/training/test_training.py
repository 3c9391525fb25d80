"""Training: what it leaves, that it repeats and resumes exactly, and what it refuses."""

import re
import shutil

import pytest
import speechbrain as sb
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from local.errors import RecipeError
from local.shards import index_shards
from local.training.checkpointer import AtomicCheckpointer
from running import ECAPA, PROTOTYPE, TINY_ECAPA, make_brain, rows, train
from shard_writing import member_pair, write_tar
from starting import kill, start, wait_for


def leftovers(folder):
    return [path for path in folder.rglob("*") if re.search(r"partial|unfinished", path.name)]


CURVES = ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "valid_eer")


def test_logs(run):
    log = rows(run)
    assert [row["epoch"] for row in log] == ["1", "2"]
    for row in log:
        assert all(0 <= float(row[f"{name}"]) <= 1 for name in CURVES if "loss" not in name)
        assert float(row["lr"]) == pytest.approx(0.003)
    assert float(log[1]["train_loss"]) < float(log[0]["train_loss"])
    text = (run / "train_log.txt").read_text()
    assert "epoch: 2" in text and "test eer:" in text


def test_tensorboard_holds_the_curves(run):
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    for name in CURVES:
        split, quantity = name.split("_")
        points = events.Scalars(f"{quantity}/{split}")
        assert [point.step for point in points] == [1, 2]
        expected = [float(row[name]) for row in rows(run)]
        assert [point.value for point in points] == pytest.approx(expected, rel=1e-5)


@pytest.mark.long
def test_the_learning_rate_falls_from_step_to_step(small, tmp_path):
    rates = ("--learning_rate", "0.01", "--final_learning_rate", "0.0")
    run = train(small, tmp_path, *TINY_ECAPA, *rates, hparams=ECAPA)  # 2 epochs of 3 steps
    assert [float(row["lr"]) for row in rows(run)] == pytest.approx([0.006, 0.0])


def test_checkpoints(run):
    names = [path.name for path in (run / "save").iterdir()]
    # 18 training utterances in batches of 8: 3 steps an epoch
    assert 1 <= len(names) <= 2
    assert any(
        re.fullmatch(r"CKPT\+epoch_0002\.step_000000006\.val-eer_0\.\d{4}", name) for name in names
    )


@pytest.mark.long
def test_best_checkpoint_is_kept_and_tested(small, tmp_path):
    # From the second epoch on a wild learning rate spoils the network.
    options = ("--epochs", "4", "--learning_rate", "0.003", "--final_learning_rate", "3")
    run = train(small, tmp_path, *TINY_ECAPA, *options, hparams=ECAPA)
    eers = [float(row["valid_eer"]) for row in rows(run)]
    metas = [yaml.safe_load(path.read_text()) for path in run.glob("save/*/CKPT.yaml")]
    best = min(eers)
    assert {meta["epoch"] for meta in metas} >= {
        4,
        max(i for i, e in enumerate(eers, 1) if e == best),
    }
    assert min(meta["val_eer"] for meta in metas) == best
    epoch = next(meta["epoch"] for meta in metas if meta["val_eer"] == best)
    assert f"best epoch: {epoch} - test eer" in (run / "train_log.txt").read_text()


def test_equal_seeds_give_equal_numbers(run, small, tmp_path):
    again = train(small, tmp_path / "again", "--num_workers", "2")
    assert rows(again) == rows(run)
    other = train(small, tmp_path / "other", "--random_seed", "1")
    assert rows(other) != rows(run)


def test_a_complete_run_is_not_done_again(run, small, capsys):
    before = sorted((path, path.stat().st_mtime_ns) for path in run.rglob("*"))
    train(small, run)
    assert "this run is complete" in capsys.readouterr().out
    assert sorted((path, path.stat().st_mtime_ns) for path in run.rglob("*")) == before


@pytest.mark.long
def test_more_epochs_carry_a_run_on(small, tmp_path):
    whole = train(small, tmp_path / "whole", "--epochs", "3")
    train(small, tmp_path / "parts", "--epochs", "1")
    parts = train(small, tmp_path / "parts", "--epochs", "3")
    assert rows(parts) == rows(whole)
    events = EventAccumulator(str(parts / "tensorboard")).Reload()
    assert [point.step for point in events.Scalars("eer/valid")] == [1, 2, 3]


@pytest.mark.long
@pytest.mark.parametrize("hparams, options", [(PROTOTYPE, ()), (ECAPA, TINY_ECAPA)])
def test_killed_in_the_middle_of_an_epoch(small, tmp_path, hparams, options):
    slow = (*options, "--epochs", "3", "--crops_per_utterance", "10")
    whole = train(small, tmp_path / "whole", *slow, hparams=hparams)
    killed = tmp_path / "killed"
    process = start(small, killed, *slow, hparams=hparams)
    wait_for(process, killed, "save/CKPT+epoch_0001*")
    kill(process)
    assert len(rows(killed)) < 3 and not (killed / "inference").exists()
    train(small, killed, *slow, hparams=hparams)
    assert rows(killed) == rows(whole)
    assert leftovers(killed) == []
    ours, theirs = (
        torch.load(next(folder.glob("save/CKPT+epoch_0003*")) / "embedding_model.ckpt")
        for folder in (killed, whole)
    )
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_half_a_checkpoint_is_removed_when_there_is_another_whole_one(tmp_path):
    network = torch.nn.Linear(1, 1)
    checkpointer = AtomicCheckpointer(tmp_path, {"a": network, "b": network})
    good = checkpointer.save_checkpoint(name="epoch_0002").path
    # As a kill leaves them: half written, half deleted, without metadata.
    for name, files in {
        ".unfinished-CKPT+epoch_0003": ("CKPT.yaml", "a.ckpt"),
        "CKPT+epoch_0001": ("a.ckpt",),
    }.items():
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).write_bytes((good / file).read_bytes())
    half_deleted = tmp_path / "CKPT+epoch_0000"
    half_deleted.mkdir()
    (half_deleted / "CKPT.yaml").write_text("end-of-epoch: true\nunixtime: 1.0\n")
    again = AtomicCheckpointer(tmp_path, {"a": network, "b": network})
    assert len(list(tmp_path.iterdir())) == 4  # nothing is touched before it is needed
    assert again.recover_if_possible().path == good
    assert len(list(tmp_path.iterdir())) == 3
    again.keep_epoch(3, 9, 0.25)
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["CKPT+epoch_0002", "CKPT+epoch_0003.step_000000009.val-eer_0.2500"]


@pytest.mark.long
def test_early_stopping(small, tmp_path):
    # Nothing is learnt, so no epoch is better than the first.
    run = train(small, tmp_path, "--epochs", "9", "--learning_rate", "0", "--patience", "2")
    assert len(rows(run)) == 3


def test_a_run_with_other_hyperparameters_is_not_touched(run, small, capsys):
    with pytest.raises(SystemExit) as stop:
        train(small, run, "--learning_rate", "0.1")
    assert stop.value.code == 1
    message = capsys.readouterr().err
    assert "holds a run with learning_rate: 0.003, now it is 0.1" in message


@pytest.mark.long
def test_a_run_keeps_to_its_data_and_run_options(run, small, own_shards, tmp_path, capsys):
    kept = shutil.copytree(run, tmp_path / "kept")
    with pytest.raises(SystemExit):
        train(small, kept, "--precision", "bf16")
    assert "holds a run with run_options" in capsys.readouterr().err
    speaker = index_shards(small.shards / "train")[0]
    more = member_pair(0, f"{speaker.speaker_id}/new/0", speaker.class_idx)
    write_tar(own_shards / "train/shard-000001.tar", more)
    train(small, tmp_path / "other", shards=own_shards)
    write_tar(own_shards / "train/shard-000002.tar", member_pair(0, "new/x/0", 6))
    with pytest.raises(SystemExit):
        train(small, tmp_path / "other", shards=own_shards)
    assert "holds a run with train_content: " in capsys.readouterr().err
    shutil.rmtree(own_shards / "train")
    shutil.copytree(small.shards / "train", own_shards / "train")
    with pytest.raises(SystemExit):
        train(small, tmp_path / "other", shards=own_shards)
    assert "holds a run with train_content" in capsys.readouterr().err


@pytest.mark.long
def test_one_folder_under_two_spellings(small, tmp_path, monkeypatch, capsys):
    train(small, tmp_path / "run", "--epochs", "1")
    monkeypatch.chdir(tmp_path)
    train(small, "./run", "--epochs", "1")
    assert "this run is complete" in capsys.readouterr().out


def test_a_crop_that_is_not_finite_is_named(small, tmp_path):
    brain = make_brain(small, tmp_path)
    brain.train_set.set_epoch(1)
    brain.step = 0
    brain.on_stage_start(sb.Stage.TRAIN, 1)
    batch = next(iter(brain.train_set))
    batch = batch.to("cpu")  # as floats
    batch.signals[2] = torch.nan
    with pytest.raises(RecipeError, match=rf"of 1 crops \({batch.ids[2]}\): their features"):
        brain.fit_batch(batch)


def test_divergence_is_one_line(small, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        train(small, tmp_path, "--learning_rate", "1e30")
    assert stop.value.code == 1
    message = capsys.readouterr().err
    assert "the training has diverged; lower learning_rate, now 1e+30" in message
    where = r"in epoch 1, batch (\d), after (\d) steps, of 8 crops \((\S+), (\S+), (\S+), \.\.\.\)"
    batch, steps, *ids = re.search(where, message).groups()
    assert int(batch) == int(steps) + 1
    assert {*ids} < {sample.key for sample in index_shards(small.shards / "train")}
    assert not (tmp_path / "inference").exists()


def test_debug_mode_is_short_and_leaves_nothing(small, tmp_path):
    run = train(small, tmp_path, "--debug", "--epochs", "9")
    assert "best epoch 2, dev trials" in (run / "log.txt").read_text()
    assert list((run / "save").iterdir()) == []
    assert not {"inference", "train_log.csv", "experiment.yaml", "tensorboard"} & {
        path.name for path in run.iterdir()
    }


@pytest.mark.long
@pytest.mark.parametrize("option", [("--precision", "bf16"), ("--compile",)], ids=" ".join)
def test_fast_options_train_alike(run, small, tmp_path, option):
    fast = train(small, tmp_path, *option)
    for ours, theirs in zip(rows(fast), rows(run), strict=True):
        for name in ("train_loss", "valid_loss"):
            assert float(ours[name]) == pytest.approx(float(theirs[name]), rel=0.02)
        assert ours["train_loss"] != theirs["train_loss"] or option == ("--compile",)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_gpu_trains_alike(run, small, tmp_path, precision):
    fast = train(small, tmp_path, "--device", "cuda", "--precision", precision)
    for ours, theirs in zip(rows(fast), rows(run), strict=True):
        for name in ("train_loss", "valid_loss"):
            assert float(ours[name]) == pytest.approx(float(theirs[name]), rel=0.02)

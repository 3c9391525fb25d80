"""Training in several processes: the samples, the EER and the files of one."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from conftest import RECIPE
from local.shards import index_shards
from running import TINY_ECAPA, other_training, rows, train
from shard_writing import member_pair, wav_bytes, write_tar
from starting import TORCHRUN, finish, start, wait_for
from warm_python import warm_python

pytestmark = pytest.mark.long

ENDLESS = ("--epochs", "1000")
SAME_BATCHES = ("--batch_size", "6")  # of 18 utterances, none is left for a last, shorter batch


def network(folder, name="embedding_model"):
    (checkpoint,) = folder.glob("save/CKPT+epoch_0002*")
    return torch.load(checkpoint / f"{name}.ckpt")


AVERAGES = ("--ema_decay", "0.5", "--average_checkpoints", "2", "--max_grad_norm", "1")


def left(folder):
    return torch.load(folder / "inference/embedding_model.ckpt")


def level(folder):
    text = (folder / "inference/hyperparams.yaml").read_text()
    return re.search("^speech_level: .*$", text, re.M)[0]


@pytest.mark.parametrize("world, options", [(2, AVERAGES), (3, ())], ids=["2 averaged", "3"])
def test_training_is_that_of_one_process(small, tmp_path, world, options):
    one = train(small, tmp_path / "one", *SAME_BATCHES, *options)
    output, _ = finish(start(small, tmp_path / "many", *SAME_BATCHES, *options, processes=world))
    many = tmp_path / "many"
    assert (
        output.count("dev trials (unseen") == output.count("epoch 2:") == 1
    )  # only the main one speaks
    for ours, theirs in zip(rows(many), rows(one), strict=True):
        assert ours["lr"] == theirs["lr"] and ours["train_accuracy"] == theirs["train_accuracy"]
        for name in ("train_loss", "valid_loss", "train_grad_norm", "train_clipped"):
            assert float(ours[name]) == pytest.approx(float(theirs[name]), rel=1e-4)
    for values in (network, left):
        for name, of_one in values(one).items():
            torch.testing.assert_close(values(many)[name], of_one, rtol=1e-3, atol=1e-5)
    assert level(one) == level(many)


def test_validation_is_that_of_one_process_to_the_last_digit(small, tmp_path):
    # Nothing is learnt, so that both have the same network.
    still = (*SAME_BATCHES, "--learning_rate", "0")
    one = train(small, tmp_path / "one", *still)
    finish(start(small, tmp_path / "many", *still, processes=3))
    for ours, theirs in zip(rows(tmp_path / "many"), rows(one), strict=True):
        for name in ("valid_loss", "valid_accuracy", "valid_eer"):
            assert ours[name] == theirs[name]
    tested = [(folder / "train_log.txt").read_text() for folder in (one, tmp_path / "many")]
    assert tested[0] == tested[1]


def test_batch_normalisation_and_a_stop_in_between(small, tmp_path):
    hparams = other_training(tmp_path)
    options = (*TINY_ECAPA, "--crops_per_utterance", "6")
    finish(start(small, tmp_path / "whole", *options, processes=2, hparams=hparams))
    saved = (*options, "--ckpt_interval_steps", "1")
    process = start(small, tmp_path / "parts", *saved, processes=2, hparams=hparams)
    wait_for(process, tmp_path / "parts", "save/CKPT+2*")
    process.terminate()  # torchrun passes it on
    err = process.communicate(timeout=120)[1]
    assert process.returncode != 0 and err.count("stopped by SIGTERM in epoch") == 1, err
    finish(start(small, tmp_path / "parts", *options, processes=2, hparams=hparams))
    assert rows(tmp_path / "parts") == rows(tmp_path / "whole")
    whole, parts = (network(tmp_path / name) for name in ("whole", "parts"))
    assert all(torch.equal(parts[name], whole[name]) for name in whole)


def test_a_process_that_dies_ends_the_job(small, tmp_path):
    process = start(small, tmp_path, *ENDLESS, processes=2, python=sys.executable)
    wait_for(process, tmp_path, "save/CKPT+epoch_0001*")
    listed = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True)
    victim = next(
        int(pid)
        for pid in listed.stdout.split()
        if "LOCAL_RANK=1" in Path(f"/proc/{pid}/environ").read_text().split("\0")
    )
    os.kill(victim, signal.SIGKILL)
    err = process.communicate(timeout=60)[1]
    assert process.returncode != 0
    assert re.search(r"^error: process 0: another process has ended", err, re.M), err


def test_torchrun_dies(small, tmp_path):
    process = start(small, tmp_path, *ENDLESS, processes=2, python=sys.executable)
    wait_for(process, tmp_path, "save/CKPT+epoch_0001*")
    process.kill()
    err = process.communicate(timeout=60)[1]  # at the end of its children, who share the pipe
    assert err.count("stopped by SIGTERM") == 1


@pytest.mark.parametrize(
    "options, message",
    [
        (("--debug",), "--debug: a trial run is one process"),
        (("--batch_size", "2"), "3 processes share batches of 2 crops"),
    ],
)
def test_options_that_do_not_go_together(small, tmp_path, options, message):
    process = start(small, tmp_path, *options, processes=3)
    assert message in process.communicate(timeout=60)[1]
    assert process.returncode != 0


def test_an_error_of_one_process_is_told(small, tmp_path):
    members = []
    for number in range(18):
        audio = b"not audio" if number == 11 else wav_bytes(16000, seed=number)
        members += member_pair(number, f"id{number % 6}/x/{number}", number % 6, audio=audio)
    for split in ("val", "dev"):
        (tmp_path / "shards").mkdir(exist_ok=True)
        os.symlink(small.shards / split, tmp_path / "shards" / split)
    write_tar(tmp_path / "shards/train/shard-000000.tar", members)
    known = [sample.speaker_id for sample in index_shards(small.shards / "val")]
    speakers = sorted(set(known))
    members = [
        (name.replace(f"id{n}/", f"{speaker}/"), content.replace(b"id%d" % n, speaker.encode()))
        for name, content in members
        for n, speaker in enumerate(speakers)
        if f"/id{n}/" in name
    ]
    write_tar(tmp_path / "shards/train/shard-000000.tar", members)
    options = (*SAME_BATCHES, "--audio_length_num_frames", "16000")
    process = start(small, tmp_path / "run", *options, processes=2, shards=tmp_path / "shards")
    err = process.communicate(timeout=120)[1]
    assert process.returncode != 0
    assert re.search(r"^error: .*/x/11: unreadable audio", err, re.M), err


LOADING = """
import json, sys
import torch.distributed as dist
from local.dataset import BatchLoader, CropOrder, IndexedCrops, Utterances
from local.shards import index_shards
dist.init_process_group("gloo")
index = index_shards(sys.argv[1])
order = CropOrder(index, batch_size=5, seed=1)
train = BatchLoader(IndexedCrops(index, crop_frames=4000, seed=1), order, num_workers=2)
data = Utterances(index, batch_size=2, min_frames=8000)
val = BatchLoader(data, data.own(), num_workers=2)
train.set_epoch(3)
seen = [[key for batch in loader for key in batch.ids] for loader in (train, val)]
with open(f"{sys.argv[2]}/{dist.get_rank()}.json", "w") as fout:
    json.dump(seen, fout)
dist.destroy_process_group()
"""


def test_each_sample_in_one_process(small, tmp_path):
    script = tmp_path / "loading.py"
    script.write_text(LOADING)
    shards = small.shards / "train"
    assert len(list(shards.glob("*.tar"))) == 1  # fewer than processes
    subprocess.run(
        [warm_python(), *TORCHRUN, "--nproc_per_node=3", script, str(shards), tmp_path],
        env={**os.environ, "PYTHONPATH": str(RECIPE)},
        check=True,
        timeout=120,
    )
    seen = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(3)]
    keys = sorted(sample.key for sample in index_shards(shards))
    for split in (0, 1):
        parts = [of_process[split] for of_process in seen]
        assert all(parts) and sorted(itertools.chain(*parts)) == keys

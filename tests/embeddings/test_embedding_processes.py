"""Embeddings by several processes: those of one, whatever group the processes are in."""

import os
import subprocess

import numpy as np
import pytest
import torch

from conftest import RECIPE
from embedding_runs import chain, embed, make_run, make_shards, random_run, shards_of_noise
from local.embeddings import Embedder, get_embeddings, read_embeddings
from shard_writing import member_pair, wav_bytes, write_tar
from starting import TORCHRUN
from warm_python import warm_python

pytestmark = pytest.mark.long

shards = pytest.fixture(shards_of_noise, scope="module")
run = pytest.fixture(random_run)


def two_processes(*arguments):
    command = [warm_python(), *TORCHRUN, "--nproc_per_node=2"]
    environment = {**os.environ, "PYTHONPATH": str(RECIPE)}
    options = {"cwd": RECIPE, "env": environment, "capture_output": True, "text": True}
    return subprocess.run([*command, *map(str, arguments)], **options, timeout=300)


def torchrun(run, folder, out, *options):
    arguments = ("-m", "local.embeddings", run, "--shards", folder, "--out", out)
    return two_processes(*arguments, "--device", "cpu", *options)


def test_two_processes_write_the_file_of_one(run, shards, tmp_path, capsys):
    options = ("--batch_size", "2")
    expected = embed(run, [shards], tmp_path / "one.npz", *options).read_bytes()
    assert "8 utterances, 16 dimensions (computed)" in capsys.readouterr().out
    for kept in (run / "embeddings").iterdir():
        kept.unlink()
    answer = torchrun(run, shards, tmp_path / "two.npz", "--num_workers", "1", *options)
    assert answer.returncode == 0, answer.stderr
    assert (tmp_path / "two.npz").read_bytes() == expected
    assert len(list((run / "embeddings").iterdir())) == 1
    assert answer.stdout.count("two.npz: 8 utterances, 16 dimensions (computed)") == 1
    assert "embedding dev, process 1 of 2" in answer.stderr and "process 2" not in answer.stderr


def test_two_processes_share_a_folder_of_audio(run, tmp_path):
    for number in range(3):
        path = tmp_path / f"wav/s/y/{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wav_bytes(9000 + number, seed=number))
    out = tmp_path / "two.npz"
    options = ("--out", out, "--device", "cpu", "--num_workers", "1")
    answer = two_processes(
        "-m", "local.embeddings", run, "--audio_folder", path.parents[2], *options
    )
    assert answer.returncode == 0, answer.stderr
    alone = Embedder(make_run(tmp_path / "same"), device="cpu")
    names = {f"s/y/{number}": f"s/y/{number}.wav" for number in range(3)}
    expected = alone.embed_files(path.parents[2], names)[0]
    found = read_embeddings(out)
    assert found.ids == expected.ids and np.abs(found.vectors - expected.vectors).max() < 1e-5


def test_a_process_that_fails_ends_the_job(run, tmp_path):
    pairs = [member_pair(number, f"a/x/{number}", None, 9000) for number in range(2)]
    pairs[1] = member_pair(1, "a/x/1", None, 8000, audio=b"not audio")  # for the second process
    write_tar(tmp_path / "bad/shard-000000.tar", chain(pairs))
    answer = torchrun(run, tmp_path / "bad", tmp_path / "out.npz", "--batch_size", "1")
    assert answer.returncode != 0
    assert "error: a/x/1: unreadable audio" in answer.stderr
    assert "local/embeddings" not in answer.stderr  # no traceback of ours, beside torchrun's own
    assert not (tmp_path / "out.npz").exists()
    assert not (run / "embeddings").exists()


TRAINING = """
import sys
import torch.distributed as dist
from speechbrain.utils.run_opts import RunOptions
from local.embeddings import Embedder, write_embeddings
from local.processes import rank, training_processes

def refuse(*_, **__):
    raise RuntimeError("No backend type associated with device type cpu")

run, out, *folders = sys.argv[1:]
with training_processes(RunOptions(device="cpu", precision="fp32")):
    dist.all_reduce = dist.broadcast = dist.all_gather = refuse
    for number in range(2):  # the second time, they are found
        embedder = Embedder(run, device="cpu", precision="fp32", batch_size=2)
        found = embedder.look_up(folder for folder in folders)
        assert [folder.found is None for folder in found] == [number == 0] * len(folders)
        write_embeddings(f"{out}/{rank()}-{number}.npz", embedder.embed(found))
"""


def test_a_group_that_takes_no_tensors_of_the_cpu(run, shards, tmp_path):
    """As NCCL's, in which a training on several GPUs embeds what it is tested with."""
    other = make_shards(tmp_path / "other", seed=7, lengths=(9000, 12000), speaker="t")
    (tmp_path / "script.py").write_text(TRAINING)
    answer = two_processes(tmp_path / "script.py", run, tmp_path, shards, other)
    assert answer.returncode == 0, answer.stderr
    expected = get_embeddings(make_run(tmp_path / "same"), [shards, other], device="cpu")
    for name in ("0-0", "0-1", "1-0", "1-1"):
        found = read_embeddings(tmp_path / f"{name}.npz")
        assert found.ids == expected.ids
        assert np.abs(found.vectors - expected.vectors).max() < 1e-5


def test_a_training_that_embeds_goes_on_with_its_random_numbers(run, shards):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    get_embeddings(run, [shards], device="cpu")
    assert torch.equal(torch.rand(3), expected)

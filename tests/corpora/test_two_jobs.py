"""Jobs that make a corpus or shards at once, and jobs that are killed: what is left is whole."""

import itertools
import subprocess
import time

import numpy as np
import pytest
import soundfile as sf

from conftest import RECIPE
from local.corpora.__main__ import prepare
from local.corpora.splits import write_lists
from local.errors import RecipeError
from local.shards import write_shards
from warm_python import warm_python

SPLITS = ("train", "val", "dev")


@pytest.fixture(scope="module")
def speakers(once):
    """6 speakers with 6 sessions of 4 recordings: enough for a job to be met by another."""

    def make(root):
        rng = np.random.default_rng(0)
        for name in itertools.product("abcdef", "123456", "1234"):
            path = root.joinpath(*name).with_suffix(".wav")
            path.parent.mkdir(parents=True, exist_ok=True)
            sf.write(path, 0.1 * rng.standard_normal(44100), 44100)

    return once("speakers", make)


@pytest.fixture(scope="module")
def undisturbed(speakers, once):
    def make(out):
        prepare("folder", speakers, out, 123)
        write_shards(out / "corpus", out / "corpus/tiny_meta.csv", out / "shards")

    return contents(once("undisturbed", make))


def contents(out):
    return {p.relative_to(out): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


def corpus_job(speakers, out):
    return job("local.corpora", "--corpus", "folder", "--data_folder", speakers, "--out", out)


def shard_job(out):
    corpus = out / "corpus"
    meta = corpus / "tiny_meta.csv"
    return job("local.shards", "--in", corpus, "--meta", meta, "--out", out / "shards")


def job(module, *options):
    command = [warm_python(), "-m", module, *map(str, options)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=RECIPE, **pipes)


def wait_for(process, folder, pattern):
    while not any(folder.glob(pattern)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def finish(*processes):
    said = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), said
    return [out + err for out, err in said]


def test_two_jobs_make_one_whole_corpus_and_its_shards(speakers, undisturbed, tmp_path):
    first = corpus_job(speakers, tmp_path)
    wait_for(first, tmp_path, ".corpus.*.partial/*/*")
    _, said = finish(first, corpus_job(speakers, tmp_path))
    assert "waiting for another process that prepares a corpus there" in said
    assert "as it was prepared earlier" in said and "train" not in said
    finish(shard_job(tmp_path), shard_job(tmp_path))
    assert contents(tmp_path) == undisturbed


@pytest.mark.parametrize("moment", [".corpus.*.partial", ".corpus.*.partial/train/*/*", "corpus"])
def test_a_job_that_is_killed_beside_another(speakers, undisturbed, tmp_path, moment):
    first = corpus_job(speakers, tmp_path)
    wait_for(first, tmp_path, moment)
    second = corpus_job(speakers, tmp_path)
    first.kill()
    first.communicate()
    finish(second)
    shards = shard_job(tmp_path)
    wait_for(shards, tmp_path, "shards/.*.partial")
    third = shard_job(tmp_path)
    shards.kill()
    shards.communicate()
    finish(third)
    finish(shard_job(tmp_path))  # removes what the first may have left when it was still ending
    assert contents(tmp_path) == undisturbed
    assert not list(tmp_path.rglob(".*"))


def test_a_killed_job_leaves_no_corpus_that_another_takes_for_its_own(speakers, tmp_path):
    out = tmp_path / "out"
    first = corpus_job(speakers, out)
    wait_for(first, out, ".corpus.*.partial/*/*")
    first.kill()
    first.communicate()
    prepare("synthetic", None, out, 123)  # there is nothing yet that would be another's
    assert (out / "corpus.source").read_text() == "synthetic, seed 123"
    for there in ("corpus", "shards"):
        (out / there).mkdir(exist_ok=True)
        with pytest.raises(RecipeError, match=r"holds synthetic, seed 123, not folder from"):
            prepare("folder", speakers, out, 123)
        if there == "corpus":
            (out / "corpus").rename(tmp_path / "corpus")


def test_a_corpus_that_fails_leaves_no_record(tmp_path):
    (tmp_path / "data").mkdir()
    with pytest.raises(RecipeError, match="0 speaker folders"):
        prepare("folder", tmp_path / "data", tmp_path / "out", 123)
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("change", ["one lost", "one more", "a split lost"])
def test_what_is_written_is_counted(tmp_path, change):
    splits = {split: {"a": [f"a/{split}/0", f"a/{split}/1"]} for split in SPLITS}
    for split in SPLITS:
        for identifier in splits[split]["a"]:
            (tmp_path / split / f"{identifier}.wav").parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / split / f"{identifier}.wav").touch()
    if change == "one more":
        (tmp_path / "val/a/val/2.wav").touch()
    elif change == "one lost":
        (tmp_path / "val/a/val/1.wav").unlink()
    else:
        (tmp_path / "val").rename(tmp_path / "elsewhere")
    found = {"one lost": 1, "one more": 3, "a split lost": 0}[change]
    with pytest.raises(RecipeError, match=f"val: {found} of 2 utterances are there"):
        write_lists(tmp_path, splits, {"val": [], "dev": []})

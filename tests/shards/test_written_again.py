"""Shards that are there already: what was found is told again, and those of others are refused."""

import os
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile as sf

import not_speech
from conftest import RECIPE
from local.errors import RecipeError
from local.shards import record, write_shards

SPLITS = ("train", "val", "dev", "eval")
RNG = np.random.default_rng(0)
WRONG = {
    "train/b/x/silent": np.zeros(16000),
    "train/b/x/hum": not_speech.hum(RNG),
    "val/b/y/short": not_speech.white(RNG)[:5000],
    "dev/c/x/clipped": np.clip(9 * not_speech.voice(RNG), -1, 1),
    "dev/c/x/hiss": not_speech.white(RNG),
    "eval/wav/silent": np.zeros(16000),
}
SAME = not_speech.voice(RNG)
GOOD = {"train/a/x/0": SAME, "val/a/y/0": not_speech.voice(RNG), "dev/d/x/0": SAME}


@pytest.fixture
def tree(tmp_path):
    for name, sound in {**WRONG, **GOOD}.items():
        path = tmp_path / "tree" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        sf.write(path, sound, 16000, subtype="PCM_16")
    (tmp_path / "meta.csv").write_text("id,idx\na,0\nb,1\n")
    return tmp_path / "tree"


def write(tree, capsys, **options):
    """The warnings of a call, once its shards are there."""
    capsys.readouterr()
    write_shards(tree, tree.with_name("meta.csv"), tree.with_name("shards"), **options)
    return [line for line in capsys.readouterr().err.splitlines() if "warning" in line]


def test_a_second_call_tells_what_the_first_has_told(tree, capsys):
    told = write(tree, capsys)
    kinds = ["same audio in two splits", "no recording with speech, first b: leave", "are silent"]
    kinds += ["hold no speech", "are shorter", "are clipped"]
    for kind in kinds:
        assert sum(kind in line for line in told) == 1
    assert f"warning: 2 of 9 files are silent, first {tree}/train/b/x/silent.wav, {tree}/eva" in (
        "\n".join(told)
    )
    assert write(tree, capsys) == told
    elsewhere = tree.rename(tree.with_name("moved"))
    assert write(elsewhere, capsys) == [line.replace("/tree/", "/moved/") for line in told]


@pytest.mark.parametrize("there", SPLITS)
def test_splits_that_are_written_later_are_told_with_those_that_are_there(tree, capsys, there):
    """As after a kill between the moments at which splits are put in place."""
    told = write(tree, capsys)
    shards = tree.with_name("shards")
    before = {path: path.read_bytes() for path in shards.rglob("*.*")}
    for split in SPLITS:
        if split != there:
            shutil.rmtree(shards / split)
    assert write(tree, capsys) == told
    assert {path: path.read_bytes() for path in shards.rglob("*.*")} == before


KILLED = """
import os, signal, sys
from local.shards import writing
def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(writing, sys.argv[1], kill)
writing.write_shards(*sys.argv[2:])
"""


@pytest.mark.parametrize("moment", ["shared_lines", "warnings"])
def test_a_killed_job_loses_no_warning(tree, capsys, moment):
    out = [tree, tree.with_name("meta.csv"), tree.with_name("shards")]
    command = [sys.executable, "-c", KILLED, moment, *map(str, out)]
    answer = subprocess.run(command, cwd=RECIPE, capture_output=True, text=True)
    assert answer.returncode == -signal.SIGKILL and "warning" not in answer.stderr
    assert len(os.listdir(tree.with_name("shards"))) == 4
    told = write(tree, capsys)
    shutil.rmtree(tree.with_name("shards"))
    assert write(tree, capsys) == told and len(told) == 6


def test_without_the_check_there_is_nothing_to_tell_again(tree, capsys):
    assert write(tree, capsys, check=False) == write(tree, capsys) == []


def louder(tree):
    """All of the same sizes."""
    for path in tree.glob("*/*/*/0.wav"):
        sound, rate = sf.read(path)
        sf.write(path, 0.5 * sound, rate, subtype="PCM_16")


def one_more(tree):
    shutil.copy(tree / "val/a/y/0.wav", tree / "val/a/y/1.wav")


def one_less(tree):
    (tree / "eval/wav/silent.wav").rename(tree / "dev/c/x/moved.wav")
    (tree / "eval").rename(tree / "other")


def other_names(tree):
    (tree / "dev/d").rename(tree / "dev/e")


def other_length(tree):
    sf.write(tree / "dev/d/x/0.wav", SAME[:-1], 16000, subtype="PCM_16")


def other_format(tree):
    (tree / "dev/d/x/0.wav").unlink()
    sf.write(tree / "dev/d/x/0.flac", SAME, 16000)


OTHERS = {
    louder: "train: .* names, sizes or audio of the 3 files in {tree}/train are others",
    one_more: "val: .* they hold 2 utterances, and {tree}/val has 3",
    one_less: "dev: .* they hold 3 utterances, and {tree}/dev has 4",
    other_names: "dev: .* names, sizes or audio of the 3 files",
    other_length: "dev: .* names, sizes or audio of the 3 files",
    other_format: "dev: .* names, sizes or audio of the 3 files",
}


@pytest.mark.parametrize("change", OTHERS, ids=lambda change: change.__name__)
def test_shards_of_another_corpus_are_refused(tree, capsys, change):
    write(tree, capsys)
    other = shutil.copytree(tree, tree.with_name("other"))
    change(other)
    with pytest.raises(RecipeError, match=OTHERS[change].format(tree=other)) as error:
        write(other, capsys)
    assert re.search("another --out, or remove .*shards/(train|val|dev) to", str(error.value))
    assert len(write(tree, capsys)) == 6


@pytest.mark.parametrize(
    "meta, options, message",
    [
        ("id,idx\na,1\nb,0\n", {}, "the classes of their speakers are not those of .*meta.csv"),
        ("id,idx\na,0\nb,1\n", {"size": 2}, "they have 5000 samples each, not --size 2"),
        ("id,idx\na,0\nb,1\n", {"seed": 1}, "they have the order of --seed 123, not 1"),
        ("id,idx\na,0\n", {}, "speaker b has no class index"),
    ],
)
def test_shards_that_would_be_others_are_refused(tree, capsys, meta, options, message):
    write(tree, capsys)
    tree.with_name("meta.csv").write_text(meta)
    with pytest.raises(RecipeError, match=message):
        write(tree, capsys, **options)
    tree.with_name("meta.csv").write_text("id,idx,sex\nc,,f\na,0,m\nb,1,f\n")  # the same to them
    write(tree, capsys)


@pytest.mark.parametrize("change", [one_more, one_less, other_names])
def test_shards_of_another_corpus_without_a_note_are_refused(tree, capsys, change):
    write(tree, capsys)
    for beside in tree.parent.glob("shards/*/*.json"):
        beside.unlink()
    write(tree, capsys)
    change(tree)
    with pytest.raises(RecipeError, match="were written from something else"):
        write(tree, capsys)


def test_classes_are_compared_without_a_note_too(tree, capsys):
    write(tree, capsys)
    for beside in tree.parent.glob("shards/*/*.json"):
        beside.unlink()
    tree.with_name("meta.csv").write_text("id,idx\na,1\nb,0\n")
    with pytest.raises(RecipeError, match="the classes of their speakers are not those of"):
        write(tree, capsys)


@pytest.mark.parametrize("content", ["", "[]", '{"origin": {}}', "\0", "[" * 100_000])
def test_a_spoilt_note_is_named(tree, capsys, content):
    write(tree, capsys)
    (tree.parent / "shards/val" / record.RECORD).write_text(content)
    with pytest.raises(RecipeError, match="val/written.json: no note of how shards were written"):
        write(tree, capsys)

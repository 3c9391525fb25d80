"""Audio trees with what is no audio, or has names that no list can hold: told, never waited for."""

import os
import shutil

import numpy as np
import pytest

from local.corpora.quality import Level
from local.errors import RecipeError
from local.shards import index_shards, write_shards
from local.shards.checking import read_recording
from local.shards.places import Utterance


@pytest.fixture
def tree(small, tmp_path):
    return shutil.copytree(small.corpus, tmp_path / "tree")


def write(tree):
    write_shards(tree, tree / "tiny_meta.csv", tree.with_name("shards"))


def session(tree):
    return sorted((tree / "dev").glob("*/*"))[0]


def test_pipes_and_devices_are_not_read(tree, capsys):
    """A pipe was waited for without end, and /dev/zero took all memory."""
    count = len(list((tree / "dev").rglob("*.wav")))
    os.mkfifo(session(tree) / "pipe.wav")
    (session(tree) / "zero.wav").symlink_to("/dev/zero")
    write(tree)
    assert len(index_shards(tree.with_name("shards") / "dev")) == count
    assert "2 pipes and devices" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["0\n1.wav", "a\tb.wav", "\udcfc.wav"])
def test_names_that_no_list_can_hold_are_refused(tree, name):
    """Shards were written that their own reader refuses."""
    shutil.copy(next(session(tree).glob("*.wav")), session(tree) / name)
    with pytest.raises(RecipeError, match="which no list can hold: rename it"):
        write(tree)
    assert not tree.with_name("shards").exists() or not list(tree.with_name("shards").iterdir())


def test_links_to_lost_recordings_are_told_as_such(tree):
    (session(tree) / "lost.wav").symlink_to("unplugged.wav")
    with pytest.raises(RecipeError, match="lost.wav: .*a link that leads nowhere, to unplugged"):
        write(tree)


def test_more_samples_than_memory_are_a_fault(tmp_path, monkeypatch):
    def refuse(*_):
        raise MemoryError

    monkeypatch.setattr("local.shards.checking._decode", refuse)
    (tmp_path / "a.flac").write_bytes(b"fLaC" + bytes(100))
    utterance = Utterance("s/x/a", str(tmp_path / "a.flac"), 104)
    recording = read_recording(utterance, check=True, convert_others=False)
    assert recording.fault == "its header tells of more samples than there is memory for"


@pytest.mark.filterwarnings("error")
def test_a_huge_sample_is_no_warning_of_numpy():
    level, signal = Level(), np.zeros(64_000, np.float32)
    signal[9] = 1e30
    level.add(signal)
    with pytest.raises(RecipeError, match=r"samples up to 1e\+30"):
        level.check_scale()


@pytest.mark.parametrize("spell", [str.capitalize, str.upper, "{} ".format])
@pytest.mark.parametrize("split", ["train", "val", "dev"])
@pytest.mark.parametrize("beside", [False, True])
def test_a_split_in_other_letters_is_not_passed_over(tree, spell, split, beside):
    """Shards of val and dev were written, without a word of Train."""
    other = shutil.copytree(tree / split, tree / spell(split))
    if not beside:
        shutil.rmtree(tree / split)
    with pytest.raises(RecipeError, match=f"{other}: expected the folder of a split to be called"):
        write(tree)
    assert not tree.with_name("shards").exists()


def test_folders_that_are_no_splits_are_told(tree, capsys):
    (tree / "validation").mkdir()
    (tree / ".Trash-0").mkdir()
    write(tree)
    assert "none of train, val, dev, eval left out: validation\n" in capsys.readouterr().out

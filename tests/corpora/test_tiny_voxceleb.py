"""Data in the tiny-voxceleb layout is used where it lies: nothing is ever written into it."""

import os
import shutil

import pytest

from local.corpora.__main__ import prepare
from local.errors import RecipeError
from local.shards import index_shards, write_shards

SPLITS = ("train", "val", "dev")


@pytest.fixture
def data(small, tmp_path):
    shutil.copytree(small.corpus, tmp_path / "data/tiny-voxceleb")
    shutil.copytree(small.shards, tmp_path / "data/tiny-voxceleb-shards")
    return tmp_path / "data"


def state(folder):
    """Each path below, with what would change where something is made there and removed again."""
    return {
        str(path): (os.lstat(path).st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in sorted((folder, *folder.rglob("*")))
    }


def write(out):
    write_shards(out / "corpus", out / "corpus/tiny_meta.csv", out / "shards")


def remove(data, what):
    shards = data / "tiny-voxceleb-shards"
    if what == "all":
        shutil.rmtree(shards)
    elif what == "archives":
        for shard in (shards / "val").glob("*.tar"):
            shard.unlink()
    else:
        shutil.rmtree(shards / what)


@pytest.mark.parametrize("what", [*SPLITS, "archives", "all"])
def test_shards_that_were_removed_are_written_anew_elsewhere(small, data, tmp_path, what):
    """The earlier link stayed, and a split was written into the user's own folder of shards."""
    out = tmp_path / "out"
    prepare("tiny-voxceleb", data, out, 123)
    assert (out / "shards").resolve() == data / "tiny-voxceleb-shards"
    remove(data, what)
    before = state(data)
    prepare("tiny-voxceleb", data, out, 123)
    assert not (out / "shards").is_symlink()
    write(out)
    assert state(data) == before
    for split in SPLITS:
        assert len(index_shards(out / "shards" / split)) == len(index_shards(small.shards / split))


@pytest.mark.parametrize("what", SPLITS)
def test_nothing_is_written_through_a_link_to_shards(data, tmp_path, what):
    out = tmp_path / "out"
    prepare("tiny-voxceleb", data, out, 123)
    remove(data, what)
    before = state(data)
    with pytest.raises(
        RecipeError, match=f"a link to .*tiny-voxceleb-shards, whose .* lack {what}"
    ):
        write(out)
    assert state(data) == before


def test_shards_that_are_all_there_are_left_as_they_are(data, tmp_path, capsys):
    """Not even a lock is made among them: the folder may be read-only."""
    prepare("tiny-voxceleb", data, tmp_path / "out", 123)
    before = state(data)
    write(tmp_path / "out")
    assert state(data) == before
    assert "shards are there already: train, val, dev" in capsys.readouterr().out


def test_a_link_to_an_empty_folder_is_a_place_to_write(data, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "disk").mkdir()
    (tmp_path / "out/shards").symlink_to(tmp_path / "disk")
    shutil.rmtree(data / "tiny-voxceleb-shards")
    tree = data / "tiny-voxceleb"
    write_shards(tree, tree / "tiny_meta.csv", tmp_path / "out/shards")
    assert len(list((tmp_path / "disk").glob("*/shard-*.tar"))) == 3

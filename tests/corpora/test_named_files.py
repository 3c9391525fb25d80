"""Ids of lists and the files of a folder: one each, whatever the paths are relative to."""

import os

import pytest

from local.corpora.named_files import NamedFiles, name_all
from local.errors import RecipeError

TREE = ["id1/a-b_c/1.wav", "id1/a-b_c/2.wav", "id2/x/1.WAV", "eval/wav/d045.flac", "flat.m4a"]


@pytest.fixture
def folder(tmp_path):
    return make(tmp_path / "vox/wav", TREE)


def make(folder, files):
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def found(folder, *names):
    return [file.path for file in NamedFiles(folder).find(names).values()]


SPELLINGS = [
    "id1/a-b_c/1.wav",
    "id1/a-b_c/1",
    "id1/a-b_c/1.flac",
    "./id1//a-b_c/1.wav",
    "wav/id1/a-b_c/1.wav",
    "vox/wav/id1/a-b_c/1",
    "../wav/id1/a-b_c/1.wav",
    "/home/other/vox1/wav/id1/a-b_c/1.wav",
    "C:\\data\\id1\\a-b_c\\1.wav",
    "id1@a-b_c@1.wav",
    "id1-a-b_c-1",
    "id1_a-b_c_1.wav",
    "/x/wav/id1-a-b_c-1.wav",
]


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("above", ["", "..", "../.."])
def test_one_file_from_the_folder_and_those_above_it(folder, name, above):
    assert found(folder / above, name) == [os.path.relpath(folder / TREE[0], folder / above)]


def test_paths_that_are_absolute_also_through_links(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    for base in (folder, tmp_path / "link", tmp_path / "vox/../link"):
        for name in (folder / TREE[0], tmp_path / "link" / TREE[0]):
            assert found(base, str(name)) == [TREE[0]]
    (folder / "own").symlink_to(folder)  # a circle
    assert found(folder.parent, "own/1", "flat") == ["wav/flat.m4a"]


def test_folders_of_any_depth(folder):
    for name in ("d045", "wav/d045.wav", "eval/wav/d045", "/data/eval/wav/d045.wav"):
        assert found(folder, name) == ["eval/wav/d045.flac"]
    assert found(folder / "id1/a-b_c", "id1/a-b_c/1.wav", "1") == ["1.wav", "1.wav"]
    make(folder, ["deep/a/b/c/d.wav", "deep/e/b/c/d.wav"])
    assert found(folder, "a/b/c/d", "deep/e/b/c/d") == ["deep/a/b/c/d.wav", "deep/e/b/c/d.wav"]


def test_what_is_not_there_is_left_out(folder):
    make(folder, [".Trash/id9/x/1.wav", "id9/x/1.txt", "id9/2.wav"])
    absent = ("id9/x/1", "id1/a-b_c/3", "id3/x/1", "id1-1", "other/machine/2.wav", "x/flat")
    assert NamedFiles(folder).find(absent) == {}


def test_names_of_files_as_macs_write_them(tmp_path):
    make(tmp_path, ["Ju\u0308rgen/x/0.wav"])
    assert found(tmp_path, "J\u00fcrgen/x/0", "Ju\u0308rgen-x-0") == ["Ju\u0308rgen/x/0.wav"] * 2


def test_names_that_are_no_utf_8(tmp_path):
    name = os.fsdecode(b"J\xfcrgen/x/0")
    make(tmp_path, [f"{name}.wav"])
    assert found(tmp_path, name) == [f"{name}.wav"]


def test_wav_is_what_an_id_without_extension_means(tmp_path):
    make(tmp_path, ["a/x/0.m4a", "a/x/0.wav"])
    assert found(tmp_path, "a/x/0", "a/x/0.m4a") == ["a/x/0.wav", "a/x/0.m4a"]
    assert name_all(tmp_path) == {"a/x/0": "a/x/0.wav"}


DOUBTFUL = {
    "extensions": (["a/x/0.flac", "a/x/0.m4a"], "a/x/0", "a/x/0.flac or a/x/0.m4a"),
    "folders": (["dev/a/x/0.wav", "test/a/x/0.wav"], "a/x/0", "dev/a/x/0.wav or test/a/x/0.wav"),
    "joined": (["a/b-c/0.wav", "a-b/c/0.wav"], "a-b-c-0", "a-b/c/0.wav or a/b-c/0.wav"),
    "above": (["top/a/0.wav", "a/0.wav"], "top/a/0.wav", "a/0.wav or top/a/0.wav"),
}


@pytest.mark.parametrize("case", DOUBTFUL)
def test_an_id_that_may_mean_two_files(tmp_path, case):
    files, name, told = DOUBTFUL[case]
    folder = make(tmp_path / "top", files)
    with pytest.raises(RecipeError, match=f"top: {name} may be {told}: write the path") as error:
        NamedFiles(folder).find([name])
    assert "\n" not in str(error.value)


def test_links_to_one_file_are_no_two(tmp_path):
    make(tmp_path, ["dev/a/x/0.wav"])
    (tmp_path / "test").symlink_to("dev")
    assert found(tmp_path, "a/x/0") == ["dev/a/x/0.wav"]


def test_only_what_is_named_is_listed(folder, monkeypatch):
    listed = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: listed.append(path) or scandir(path))
    found(folder, "id1/a-b_c/1.wav", "id1-a-b_c-2", "wav/id1/a-b_c/1")
    assert listed == [str(folder / name) for name in ("", "id1", "id1/a-b_c")]


def test_all_files_and_their_ids(folder, tmp_path):
    assert name_all(folder) == {
        "id1/a-b_c/1": TREE[0],
        "id1/a-b_c/2": TREE[1],
        "id2/x/1": TREE[2],
        "d045": TREE[3],
        "flat": TREE[4],
    }
    make(folder, ["more/id1/a-b_c/1.wav"])
    with pytest.raises(RecipeError, match="have the same id id1/a-b_c/1, the last three"):
        name_all(folder)
    (tmp_path / "empty").mkdir()
    for name, told in (("empty", "holds no audio"), ("none", "no such folder of audio")):
        with pytest.raises(RecipeError, match=told):
            name_all(tmp_path / name)
    with pytest.raises(RecipeError, match="none: no such folder of audio"):
        NamedFiles(tmp_path / "none")

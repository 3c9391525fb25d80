"""Linked folders are walked, in both layouts; whatever is not taken is counted and said."""

import os
import shutil

import pytest

from local.corpora.speaker_tree import find_speakers
from local.errors import RecipeError
from local.shards import index_shards, write_shards

SPLITS = ("train", "val", "dev")


@pytest.fixture
def tree(small, tmp_path):
    return shutil.copytree(small.corpus, tmp_path / "tree")


def write(tree, out):
    write_shards(tree, tree / "tiny_meta.csv", out)
    return {split: [sample.sample_id for sample in index_shards(out / split)] for split in SPLITS}


def every(tree, kind):
    pattern = {"split": "*", "speaker": "*/*", "session": "*/*/*", "file": "*/*/*/*"}[kind]
    return [p for p in sorted(tree.glob(pattern)) if p.is_dir() or p.suffix == ".wav"]


@pytest.mark.parametrize("kind", ["split", "speaker", "session", "file"])
def test_linked_folders_give_the_same_shards(small, tree, tmp_path, kind):
    for path in every(tree, kind)[::2]:
        place = tmp_path / "disk" / "-".join(path.relative_to(tree).parts)
        place.parent.mkdir(exist_ok=True)
        path.rename(place)
        path.symlink_to(os.path.relpath(place, path.parent) if kind == "session" else place)
    write(tree, tmp_path / "shards")
    for shard in small.shards.rglob("*.tar"):
        copy = tmp_path / "shards" / shard.relative_to(small.shards)
        assert copy.read_bytes() == shard.read_bytes()


def test_links_in_circles_and_to_what_is_there_add_nothing(small, tree, tmp_path, capsys):
    speaker, other = every(tree, "speaker")[-2:]
    session = next(other.iterdir())
    for name, target in {
        "aaa": session,  # comes before the session's real place
        "up": speaker,
        "top": tree,
        "root": "/",
        "self": "self",
        "beside": tmp_path,
    }.items():
        (speaker / name).symlink_to(target)
    assert write(tree, tmp_path / "shards") == write(small.corpus, tmp_path / "expected")
    out = capsys.readouterr().out
    assert "5 links to what is there already" in out and "1 link to nothing self" in out


@pytest.mark.parametrize("layout", ["tiny-voxceleb", "folder"])
def test_what_is_hidden_lost_or_of_another_format_is_counted(small, tree, tmp_path, capsys, layout):
    speaker = every(tree, "speaker")[0]
    session = next(speaker.iterdir())
    shutil.copytree(speaker, speaker.parent / ".Trash-0" / speaker.name)
    shutil.copytree(session, speaker / ".session")
    shutil.copy(next(session.iterdir()), session / "._00000.wav")
    foreign = "wmx" if layout == "folder" else "m4a"
    for name in (f"a.{foreign}", f"b.{foreign}", "c.txt", "LICENCE"):
        (session / name).touch()
    (speaker / "lost").symlink_to(tmp_path / "unplugged")
    if layout == "folder":
        print(*find_speakers(speaker.parent).notes)
    else:
        assert write(tree, tmp_path / "shards") == write(small.corpus, tmp_path / "expected")
    out = capsys.readouterr().out
    more = ["2 .wmx"] if layout == "folder" else ["2 .m4a", "convert the others first"]
    for part in (
        *("1 hidden folder .Trash-0", "1 hidden folder .session", "1 hidden files"),
        *("1 .txt", "1 without extension", "1 link to nothing lost", *more),
    ):
        assert part in out


def test_many_reasons_are_all_counted(tmp_path):
    for number in range(30):
        (tmp_path / f"x.e{number}").touch()
    with pytest.raises(RecipeError, match="20 others"):
        find_speakers(tmp_path)


def test_a_link_does_not_take_a_session_from_the_speaker_to_whom_it_belongs(tree):
    train = tree / "train"
    first, last = sorted(train.iterdir())[0], sorted(train.iterdir())[-1]
    session = next(last.iterdir())
    (first / "aaa").symlink_to(session)
    assert not [name for name in find_speakers(train).paths if "aaa" in name]


def test_files_that_are_linked_twice_are_shards_samples_twice(small, tree, tmp_path):
    """Trial lists may name both; nothing of a tree in the layout is left out."""
    wav = next(every(tree, "session")[0].glob("*.wav"))
    (wav.parent / "again.wav").symlink_to(wav)
    count = sum(map(len, write(small.corpus, tmp_path / "expected").values()))
    assert sum(map(len, write(tree, tmp_path / "shards").values())) == count + 1

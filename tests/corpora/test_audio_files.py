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
    assert "5 links to what is there already" in out and "1 links that lead nowhere" in out
    assert f"missing, as links lead nowhere: session {speaker.name}/self\n" in out


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
        *("1 .txt", "1 without extension", "1 links that lead nowhere", *more),
        f"missing, as links lead nowhere: session {speaker.name}/lost",
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


@pytest.mark.parametrize("layout", ["tiny-voxceleb", "folder"])
def test_speakers_and_sessions_that_are_missing_as_a_whole_are_named(tree, capsys, layout):
    """Of a speaker without any recording, nobody was told."""
    first = every(tree, "speaker")[0]
    top = first.parent
    for name in ("empty", "phone/2019", "notes/2019", ".hidden"):
        (top / name).mkdir(parents=True)
    (top / "phone/2019/call.wmx").touch()
    (top / "notes/2019/read.txt").touch()
    (first / "2020").mkdir()
    (top / "disk").symlink_to(top.parent / "unplugged")
    (first / "2021").symlink_to(top.parent / "unplugged")
    if layout == "folder":
        print(*find_speakers(top).notes, sep="\n")
    else:
        write(tree, tree.with_name("shards"))
    out = capsys.readouterr().out
    line = next(line for line in out.splitlines() if "2 links that lead nowhere" in line)
    assert f"missing, as links lead nowhere: speaker disk, session {first.name}/2021; " in line
    told = line.partition("without a recording that can be used: ")[2]
    expected = [f"session {first.name}/2020 (empty)", "speaker empty (empty)"]
    expected += ["speaker notes (only .txt)", "speaker phone (only .wmx)"]
    assert sorted(told.split(", ")) == sorted(expected)


def test_many_speakers_without_recordings_are_counted_and_the_first_named(tmp_path):
    for number in range(30):
        (tmp_path / f"s{number:02}").mkdir()
    with pytest.raises(RecipeError, match=r"speaker s04 \(empty\), …"):
        find_speakers(tmp_path)


def test_speakers_below_other_folders_are_told_from_sessions(tree, capsys):
    for speaker in every(tree / "train", "split"):
        (tree / "train/part").mkdir(exist_ok=True)
        speaker.rename(tree / "train/part" / speaker.name)
    (tree / "train/part/lost").mkdir()
    (tree / "train/part2").mkdir()
    (speaker := next((tree / "train/part").iterdir())).joinpath("none").mkdir()
    write(tree, tree.with_name("shards"))
    told = capsys.readouterr().out
    for part in ("speaker part/lost (empty)", "part2 (empty)", f"session part/{speaker.name}/none"):
        assert part in told

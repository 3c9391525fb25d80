"""The shard schema: written as told, read from an independent writer, refused when broken."""

import hashlib
import json
import re
import shutil
import tarfile

import numpy as np
import pytest
import soundfile as sf

from conftest import shared
from local.errors import RecipeError
from local.shards import (
    check_classes,
    index_shards,
    read_shards,
    speakers_by_class,
    write_shards,
)
from shard_writing import member_pair, original_layout, wav_bytes, write_tar


def make_tree(folder, per_speaker=4, suffix="wav"):
    """A tree of noise; returns the sample ids of the training split, sorted."""
    ids = []
    for speaker in range(3):
        for number in range(per_speaker):
            sample_id = f"id{speaker}/vid-_{number}/0000{number}"
            path = folder / "train" / "any" / f"{sample_id}.{suffix}"
            path.parent.mkdir(parents=True)
            path.write_bytes(wav_bytes(1600 + number, fmt=suffix.upper(), seed=speaker))
            ids.append(sample_id)
    path = folder / "eval" / "wav" / "d0450016.wav"
    path.parent.mkdir(parents=True)
    path.write_bytes(wav_bytes(900))
    (folder / "tiny_meta.csv").write_text("id,gender,idx\nid0,f,0\nid1,m,1\nid2,f,2\nid9,f,\n")
    return sorted(ids)


def digest(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).digest() for path in files
    }


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_written_layout(tmp_path, suffix):
    ids = make_tree(tmp_path / "tree", suffix=suffix)
    write_shards(tmp_path / "tree", tmp_path / "tree/tiny_meta.csv", tmp_path / "out", size=5)
    names = sorted(path.name for path in (tmp_path / "out/train").glob("*.tar"))
    assert names == ["shard-000000.tar", "shard-000001.tar", "shard-000002.partial.tar"]
    # The order that the format prescribes, computed here on its own.
    np.random.default_rng(seed=123).shuffle(ids)
    with tarfile.open(tmp_path / "out/train/shard-000001.tar") as archive:
        members = archive.getmembers()
        sample_id = ids[6]
        assert [member.name for member in members][2:4] == [
            f"0001/{sample_id}.{suffix}",
            f"0001/{sample_id}.json",
        ]
        values = json.loads(archive.extractfile(members[3]).read())
    speaker, session, utterance = sample_id.split("/")
    assert values == {
        "sample_id": sample_id,
        "speaker_id": speaker,
        "youtube_id": session,
        "utterance_id": utterance,
        "num_frames": 1600 + int(utterance),
        "sampling_rate": 16000,
        "class_idx": int(speaker[2:]),
    }
    (evaluation,) = index_shards(tmp_path / "out/eval")
    assert evaluation.sample_id == "eval/wav/d0450016" and evaluation.key == "d0450016"
    assert evaluation.speaker_id == "eval"
    assert evaluation.class_idx is None


def test_written_bytes_are_the_same_again(tmp_path):
    make_tree(tmp_path / "tree")
    for name in ("one", "two"):
        write_shards(tmp_path / "tree", tmp_path / "tree/tiny_meta.csv", tmp_path / name, size=5)
    assert digest(tmp_path / "one") == digest(tmp_path / "two")


def test_a_full_single_shard_is_not_partial(tmp_path):
    make_tree(tmp_path / "tree")
    write_shards(tmp_path / "tree", tmp_path / "tree/tiny_meta.csv", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out/train").glob("*.tar")] == ["shard-000000.tar"]


def test_existing_shards_are_kept(tmp_path, capsys):
    make_tree(tmp_path / "tree")
    arguments = (tmp_path / "tree", tmp_path / "tree/tiny_meta.csv", tmp_path / "out")
    write_shards(*arguments)
    before = (tmp_path / "out/train/shard-000000.tar").stat().st_mtime_ns
    write_shards(*arguments)
    assert (tmp_path / "out/train/shard-000000.tar").stat().st_mtime_ns == before
    assert "there already" in capsys.readouterr().out


def test_shards_that_are_all_there_are_not_read(tmp_path, capsys, monkeypatch):
    make_tree(tmp_path / "tree")
    arguments = (tmp_path / "tree", tmp_path / "tree/tiny_meta.csv", tmp_path / "out")
    write_shards(*arguments)
    indexed = []
    monkeypatch.setattr(
        "local.shards.writing.index_shards",
        lambda folder: indexed.append(folder.name) or index_shards(folder),
    )
    capsys.readouterr()
    write_shards(*arguments)
    assert not indexed and "shards are there already: train, eval" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "out/train")
    write_shards(*arguments)
    assert not indexed
    for note in tmp_path.glob("out/*/written.json"):
        note.unlink()  # as of a former version, or the original's
    write_shards(*arguments)
    assert indexed == ["train", "eval"]


def test_failed_writing_leaves_no_split(tmp_path):
    make_tree(tmp_path / "tree")
    path = next((tmp_path / "tree/train").rglob("id2/*/00003.wav"))
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(RecipeError, match="00003.wav: unreadable audio"):
        write_shards(tmp_path / "tree", tmp_path / "tree/tiny_meta.csv", tmp_path / "out", size=3)
    assert [path.name for path in tmp_path.glob("out/[!.]*")] == ["bad_audio.csv"]
    finished = {path.name for path in tmp_path.glob("out/.train.partial/*")}
    assert "shard-000000.tar" in finished  # of those whose audio is good


def test_reads_the_original_layout(tmp_path):
    ids = original_layout(tmp_path)
    index = index_shards(tmp_path)
    assert [path.name for path in index.shards] == ["shard-000000.tar", "shard-000001.partial.tar"]
    assert [sample.sample_id for sample in index] == ids
    assert speakers_by_class(index) == ["id10000", "id10001", "id10002"]
    read = list(read_shards(index.shards))
    assert [sample for sample, _ in read] == list(index)
    assert read[6][1] == wav_bytes(16100, seed=1)


BROKEN = {
    "no json": (lambda pair: pair[:1], "comes as wav: expected a pair"),
    "no audio": (lambda pair: pair[1:], "comes as json: expected a pair"),
    "not json": (lambda pair: [pair[0], (pair[1][0], b"{")], "not the JSON of a sample"),
    "no field": (lambda pair: [pair[0], (pair[1][0], b"{}")], "'sample_id' is missing"),
}


@pytest.mark.parametrize("spoil, message", BROKEN.values(), ids=BROKEN.keys())
def test_broken_pairs(tmp_path, spoil, message):
    good = member_pair(0, "a/x/0", 0)
    write_tar(tmp_path / "shard-000000.tar", good + spoil(member_pair(1, "b/y/1", 1)))
    with pytest.raises(RecipeError, match=re.escape("shard-000000.tar: 0001/b/y/1")) as error:
        index_shards(tmp_path)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "changes, message",
    [({"sampling_rate": 8000}, "sampling_rate is 8000"), ({"num_frames": 0}, "audio is empty")],
)
def test_wrong_values(tmp_path, changes, message):
    pair = member_pair(0, "a/x/0", 0, audio=wav_bytes())
    values = {**json.loads(pair[1][1]), **changes}
    write_tar(tmp_path / "shard-000000.tar", [pair[0], (pair[1][0], json.dumps(values).encode())])
    with pytest.raises(RecipeError, match=message):
        index_shards(tmp_path)


@pytest.mark.parametrize("keep", [0.3, 0.75, "a member less", "all but the end"])
def test_truncated(tmp_path, keep):
    path = tmp_path / "shard-000000.tar"
    original_layout(tmp_path, counts=(4,))
    content = path.read_bytes()
    with tarfile.open(path) as archive:
        members = archive.getmembers()
        end = archive.offset
    cut = {"a member less": members[-2].offset, "all but the end": end}.get(keep)
    path.write_bytes(content[: cut or int(keep * len(content))])
    with pytest.raises(RecipeError, match="shard-000000.tar: (truncated|.* comes as)"):
        index_shards(tmp_path)


def test_no_shards(tmp_path):
    with pytest.raises(RecipeError, match=r"expected shards named shard-\*.tar, .* holds none"):
        index_shards(tmp_path)
    with pytest.raises(RecipeError, match="does not exist"):
        index_shards(tmp_path / "nowhere")


def test_duplicate_sample(tmp_path):
    members = member_pair(0, "a/x/0", 0) + member_pair(1, "a/x/0", 0)
    write_tar(tmp_path / "shard-000000.tar", members)
    with pytest.raises(RecipeError, match="duplicate sample_id a/x/0"):
        index_shards(tmp_path)


@pytest.mark.parametrize(
    "classes, message",
    [
        ({"a": 0, "b": 2}, r"class_idx has gaps: 2 classes up to 2, \[1\]"),
        ({"a": -1, "b": 0}, "class_idx is -1: expected the integer"),
        ({"a": 0, "b": 0}, "class_idx 0 stands for two speakers, a and b"),
        ({"a": 0, "b": None}, "class_idx of b/x/0 is None"),
        ({"a": 0}, "found 1 speaker: expected at least two"),
    ],
)
def test_bad_classes(tmp_path, classes, message):
    members = []
    for number, (speaker, idx) in enumerate(classes.items()):
        members += member_pair(number, f"{speaker}/x/0", idx)
    write_tar(tmp_path / "shard-000000.tar", members)
    with pytest.raises(RecipeError, match=message):
        speakers_by_class(index_shards(tmp_path))


@pytest.mark.parametrize(
    "idx, message", [(2, "is 2: expected 0 to 1"), (None, "is None"), (1, "belongs to b")]
)
def test_val_classes_beyond_training(tmp_path, idx, message):
    write_tar(tmp_path / "shard-000000.tar", member_pair(0, "a/x/0", idx))
    with pytest.raises(RecipeError, match=message):
        check_classes(index_shards(tmp_path), ["a", "b"])


@pytest.mark.parametrize(
    "rate, channels, frames, message",
    [
        (8000, 1, 10, "found 8000 Hz with 1 channels"),
        (16000, 2, 10, "found 16000 Hz with 2 channels"),
        (16000, 1, 0, "audio is empty"),
    ],
)
def test_audio_that_cannot_go_to_shards(tmp_path, rate, channels, frames, message):
    make_tree(tmp_path / "tree")
    path = tmp_path / "tree/train/any/id0/vid-_0/00000.wav"
    sf.write(path, np.zeros((frames, channels)), rate)
    with pytest.raises(RecipeError, match=f"00000.wav: .*{message}"):
        write_shards(tmp_path / "tree", tmp_path / "tree/tiny_meta.csv", tmp_path / "out")


@pytest.mark.parametrize(
    "meta, message",
    [
        ("speaker,idx\nid0,0\n", "column id is missing: found speaker, idx"),
        ("id,idx\nid0,zero\n", "tiny_meta.csv:2: idx is 'zero'"),
        ("id,idx\nid0,0\nid1,1\n", "speaker id2 has no class index"),
    ],
)
def test_bad_metadata(tmp_path, meta, message):
    make_tree(tmp_path / "tree")
    (tmp_path / "tree/tiny_meta.csv").write_text(meta)
    with pytest.raises(RecipeError, match=message):
        write_shards(tmp_path / "tree", tmp_path / "tree/tiny_meta.csv", tmp_path / "out")


@pytest.mark.parametrize("data", [shared("tiny-librispeech")])
def test_real_speech(data, tmp_path):
    write_shards(data, data / "tiny_meta.csv", tmp_path)
    counts = {split.name: len(index_shards(split)) for split in tmp_path.iterdir()}
    assert counts == {
        split: len(list((data / split).rglob("*.flac")))
        for split in ("train", "val", "dev", "eval")
    }
    assert len(speakers_by_class(index_shards(tmp_path / "train"))) == 136

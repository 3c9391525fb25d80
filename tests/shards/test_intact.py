"""Blocks of zeros amid the audio of shards: what a copy has lost is no silence."""

import os
import sys

import numpy as np
import pytest
import soundfile as sf

import local.shards.__main__ as command
from local.errors import RecipeError
from local.shards import index_shards, prepare_split, stage_shards, write_shards
from local.shards.intact import check_audio

BLOCK = 4096


@pytest.fixture
def shards(tmp_path):
    rng = np.random.default_rng(0)
    for number, kind in enumerate(("wav", "wav", "flac", "wav")):
        for split, speaker in (("train", "ab"[number % 2]), ("dev", "c")):
            path = tmp_path / f"tree/{split}/{speaker}/x/{number}.{kind}"
            path.parent.mkdir(parents=True, exist_ok=True)
            signal = rng.integers(1, 9000, 40_000 + 100 * number, dtype=np.int16)
            if number == 3:
                signal[7000:21_000] = 0  # silence, which begins and ends anywhere
            sf.write(path, signal, 16000)
    (tmp_path / "meta.csv").write_text("id,idx\na,0\nb,1\n")
    write_shards(tmp_path / "tree", tmp_path / "meta.csv", tmp_path / "shards", size=2)
    return tmp_path / "shards"


def lose(folder, number, blocks, hole):
    """Let blocks amid the audio of an utterance be lost; its shard and the time stay."""
    index = index_shards(folder)
    row = [s.sample_id.rpartition("/")[2] for s in index].index(str(number))
    shard, state = index.shards[index.shard[row]], index.shards[index.shard[row]].stat()
    begin = -(-(index.offset[row] + 10_000) // BLOCK) * BLOCK
    content = bytearray(shard.read_bytes())
    content[begin : begin + blocks * BLOCK] = bytes(blocks * BLOCK)
    with open(shard, "wb") as file:
        file.write(content[:begin])
        if hole:
            file.seek(begin + blocks * BLOCK)
            file.write(content[begin + blocks * BLOCK :])
        else:
            file.write(content[begin:])
    os.utime(shard, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert shard.stat().st_size == state.st_size
    return shard.name


def has_holes(path):
    with open(path, "rb") as file:
        return os.lseek(file.fileno(), 0, os.SEEK_HOLE) < path.stat().st_size


def check(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["local.shards", "--check", *map(str, arguments)])
    command.main()


def test_whole_shards(shards, monkeypatch, capsys, tmp_path):
    check(monkeypatch, shards)
    told = f"{shards}/train: 4 utterances are as they were written\n"
    assert told in capsys.readouterr().out
    stage_shards(shards / "dev", tmp_path / "copy")
    check(monkeypatch, tmp_path / "copy")
    assert f"{tmp_path}/copy: 4 utterances are as they" in capsys.readouterr().out
    for manifest in shards.glob("*/shards.json"):
        manifest.unlink()
    check(monkeypatch, shards)
    assert "of 4 there is no digest: only" in capsys.readouterr().out


@pytest.mark.parametrize("number", [0, 2])
@pytest.mark.parametrize("blocks", [1, 4])
@pytest.mark.parametrize("split", ["train", "dev"])
def test_lost_blocks_are_told_by_the_check(shards, monkeypatch, capsys, number, blocks, split):
    name = lose(shards / split, number, blocks, hole=False)
    with pytest.raises(SystemExit):
        check(monkeypatch, shards)
    err = capsys.readouterr().err
    assert err.startswith(f"error: {shards}/{split}: {name}: 1 utterances (") and "\n" in err[-1]
    assert f"/x/{number}): the audio is not what was written; copy these shards again" in err


@pytest.mark.parametrize("place", [0, 3])
def test_the_index_file_may_be_older_than_the_loss(shards, tmp_path, place):
    lost = index_shards(shards / "dev", tmp_path / "dev.npz").sample_ids[place].decode()[-1]
    lose(shards / "dev", lost, 2, hole=False)
    with pytest.raises(RecipeError, match=f"c/x/{lost}.: the audio is not what was written"):
        check_audio(index_shards(shards / "dev", tmp_path / "dev.npz"))


@pytest.mark.parametrize("blocks", [1, 4])
def test_lost_blocks_are_told_without_digests(shards, blocks):
    lose(shards / "dev", 1, blocks, hole=False)
    (shards / "dev/shards.json").unlink()
    with pytest.raises(RecipeError, match=r"\(c/x/1\): there are blocks of zeros amid the audio"):
        check_audio(index_shards(shards / "dev"))


@pytest.mark.parametrize("blocks", [1, 4])
def test_holes_are_compared_when_a_training_begins(shards, tmp_path, blocks):
    name = lose(shards / "train", 1, blocks, hole=True)
    if not has_holes(shards / "train" / name):
        pytest.skip("this file system tells of no holes")
    for _ in range(2):  # also once there is an index
        with pytest.raises(RecipeError, match=rf"train: {name}: 1 .*\(b/x/1\): the audio is not"):
            prepare_split(shards / "train", "train", tmp_path / "index")
    (shards / "train/shards.json").unlink()
    with pytest.raises(RecipeError, match=r"\(b/x/1\): there are blocks of zeros amid the audio"):
        prepare_split(shards / "train", "train", tmp_path / "index")


@pytest.mark.parametrize("digests", [True, False])
def test_silence_may_be_a_hole(shards, tmp_path, digests):
    """As `cp --sparse=always` leaves it."""
    for shard in (shards / "train").glob("*.tar"):
        content = shard.read_bytes()
        with open(shard, "wb") as file:
            for begin in range(0, len(content), BLOCK):
                block = content[begin : begin + BLOCK]
                file.seek(begin)
                if block.strip(b"\0"):
                    file.write(block)
            file.truncate(len(content))
    if not digests:
        (shards / "train/shards.json").unlink()
    assert len(prepare_split(shards / "train", "train", tmp_path / "index")) == 4

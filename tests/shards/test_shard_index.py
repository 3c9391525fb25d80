"""The index of the shards: kept in a file, made anew when shards change, small in memory."""

import os
import pickle

import numpy as np
import pytest

from local.errors import RecipeError
from local.shards import MappedShards, index_shards, prepare_split
from shard_writing import member_pair, original_layout, wav_bytes, write_tar


@pytest.fixture
def opened(monkeypatch):
    """The shards that are opened meanwhile."""
    from local import shards as sources
    from local.shards import index

    names = []

    def watched(shard, *args):
        names.append(shard.name)
        return sources.open_shard(shard, *args)

    monkeypatch.setattr(index, "open_shard", watched)
    return names


def columns(index):
    arrays = (index.sample_ids, index.shard, index.offset, index.size, index.pcm)
    return [array.tolist() for array in (*arrays, index.num_frames, index.class_idx)]


def test_it_is_kept(tmp_path, opened):
    original_layout(tmp_path)
    first = index_shards(tmp_path, tmp_path / "run/index.npz")
    assert len(opened) == 2
    second = index_shards(tmp_path, tmp_path / "run/index.npz")
    assert len(opened) == 2
    assert columns(first) == columns(second) and first.shards == second.shards
    assert list(first) == list(second) and len(first) == 7


def test_it_is_made_anew_for_changed_shards(tmp_path, opened):
    original_layout(tmp_path)
    kept = tmp_path / "run/index.npz"
    index_shards(tmp_path, kept)
    shard = tmp_path / "shard-000000.tar"
    state = shard.stat()
    os.utime(
        shard, ns=(state.st_atime_ns, state.st_mtime_ns + 1)
    )  # written again, as long as before
    index_shards(tmp_path, kept)
    assert len(opened) == 4
    write_tar(tmp_path / "shard-000002.tar", member_pair(0, "id10001/more/0", 1))
    assert len(index_shards(tmp_path, kept)) == 8
    assert len(opened) == 7


@pytest.mark.parametrize("content", [b"", b"PK\3\4 half a file", pickle.dumps({})])
def test_a_spoilt_file_is_made_anew(tmp_path, content):
    original_layout(tmp_path)
    (tmp_path / "index.npz").write_bytes(content)
    assert len(index_shards(tmp_path, tmp_path / "index.npz")) == 7
    with np.load(tmp_path / "index.npz") as kept:
        assert len(kept["sample_ids"]) == 7


def test_it_tells_where_pcm_begins(tmp_path):
    plain = wav_bytes(1000)
    assert plain[36:40] == b"data"
    chunk = b"LIST" + (10).to_bytes(4, "little") + b"INFOsomeho"
    with_chunk = plain[:36] + chunk + plain[36:]
    with_chunk = b"RIFF" + (len(with_chunk) - 8).to_bytes(4, "little") + with_chunk[8:]
    audios = [plain, with_chunk, wav_bytes(1000, fmt="FLAC"), wav_bytes(1000, subtype="FLOAT")]
    audios += [wav_bytes(999), wav_bytes(1000, rate=8000), plain[:500], b"no audio"]
    members = []
    for number, audio in enumerate(audios):
        members += member_pair(number, f"a/x/{number}", 0, 1000, audio=audio)
    write_tar(tmp_path / "shard-000000.tar", members)
    index = index_shards(tmp_path)
    # What is not 16-bit PCM of the length told is left to the decoder and its messages.
    assert index.pcm.tolist() == [44, 62, -1, -1, -1, -1, -1, -1]
    shards = MappedShards(index)
    for row, audio in enumerate(audios):
        assert shards.audio(row) == audio


def test_it_is_small(tmp_path):
    original_layout(tmp_path)
    index = index_shards(tmp_path)
    arrays = [column for name, column in vars(index).items() if name not in ("shards", "stamps")]
    assert sum(column.nbytes for column in arrays) < 200 * len(index)


def test_a_split_is_prepared_where_the_training_wants_it(tmp_path):
    original_layout(tmp_path / "there/train")
    source = str(tmp_path / "there/train")
    index = prepare_split(source, "train", tmp_path / "run/index")
    assert index.shards[0].parent == tmp_path / "there/train"
    index = prepare_split(
        source, "train", tmp_path / "run/index", stage_shards_to=tmp_path / "fast"
    )
    assert index.shards[0].parent == tmp_path / "fast/train" and len(index) == 7
    assert (tmp_path / "run/index/train.npz").is_file()


def test_sample_ids_follow_from_their_parts(tmp_path):
    pair = member_pair(0, "a/x/0", 0, speaker_id="b")
    write_tar(tmp_path / "shard-000000.tar", pair)
    with pytest.raises(RecipeError, match="sample_id is a/x/0, but its parts are b / x / 0"):
        index_shards(tmp_path)

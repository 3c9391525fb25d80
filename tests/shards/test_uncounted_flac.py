"""FLAC whose header tells no number of samples, as one written to a pipe has: they are counted."""

import io

import numpy as np
import pytest
import soundfile as sf

from local.augmentation.recordings import find_noise
from local.corpora.convert import convert, read_headers
from local.corpora.decoding import AudioFile, count_frames, read_info, with_count
from local.errors import RecipeError
from local.shards import MappedShards, index_shards, write_shards
from shard_writing import member_pair, wav_bytes, without_count, write_tar


def uncounted(num_frames, seed=0):
    return without_count(wav_bytes(num_frames, seed=seed, fmt="FLAC"))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "tree/train/a/x/0.flac"
    path.parent.mkdir(parents=True)
    path.write_bytes(uncounted(20001))
    assert sf.info(path).frames != 20001
    return path


def test_it_is_read_to_its_end(file):
    info = read_info(file)
    assert info.frames == 20001 == count_frames(file) and info.duration == 20001 / 16000
    assert with_count(file.read_bytes(), 20001) == wav_bytes(20001, fmt="FLAC")
    with AudioFile(file) as audio:
        audio.seek(19000)
        assert len(audio.read(5000)) == 1001


@pytest.mark.parametrize("num_frames", [1, 4096, 700_000])
def test_a_corpus_counts_and_converts_it(tmp_path, num_frames):
    path = tmp_path / "a.flac"
    path.write_bytes(uncounted(num_frames))
    assert [header.frames for header in read_headers([path])[0].values()] == [num_frames]
    assert convert(path, tmp_path / "a.wav").level.samples == num_frames
    (tmp_path / "counted.flac").write_bytes(wav_bytes(num_frames, fmt="FLAC"))
    convert(tmp_path / "counted.flac", tmp_path / "b.wav")
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_noise_of_it_is_read(file, tmp_path):
    expected, _ = sf.read(io.BytesIO(wav_bytes(20001, fmt="FLAC")), dtype="float32")
    found = find_noise(file.parent, tmp_path / "cache")
    assert found.lengths == [20001]
    peak = np.abs(expected).max()  # at full scale, where it is packed
    assert np.allclose(found.piece(0, 0.0, 20001), expected / peak, atol=2**-15)


def test_shards_hold_its_count(file, tmp_path, capsys):
    other = file.parents[2] / "b/x/0.flac"
    other.parent.mkdir(parents=True)
    other.write_bytes(wav_bytes(500, fmt="FLAC", seed=9))
    (tmp_path / "meta.csv").write_text("id,idx\na,0\nb,1\n")
    write_shards(tmp_path / "tree", tmp_path / "meta.csv", tmp_path / "shards")
    assert "2 utterances, 0.00 h" in capsys.readouterr().out
    index = index_shards(tmp_path / "shards/train")
    row = [sample.sample_id for sample in index].index("a/x/0")
    assert index[row].num_frames == 20001
    shards = MappedShards(index)
    assert bytes(shards.audio(row)) == wav_bytes(20001, fmt="FLAC")
    assert np.array_equal(shards.samples(row, 15000, 5001), shards.samples(row)[15000:20001])


def test_in_shards_of_others_the_json_counts_it(tmp_path):
    pairs = [(20001, 20001), (20001, 20500)]
    members = []
    for number, (real, told) in enumerate(pairs):
        members += member_pair(number, f"a/x/{number}", 0, told, audio=uncounted(real))
    write_tar(tmp_path / "shard-000000.tar", members)
    shards = MappedShards(index_shards(tmp_path))
    assert len(shards.samples(0)) == 20001 and len(shards.samples(0, 100, 50)) == 50
    with pytest.raises(RecipeError, match="a/x/1: (the audio ends after|unreadable audio)"):
        shards.samples(1)
    write_tar(tmp_path / "shard-000000.tar", member_pair(0, "a/x/0", 0, 2**63 - 1, audio=b"x"))
    with pytest.raises(RecipeError, match="num_frames is 9223372036854775807: expected"):
        index_shards(tmp_path)

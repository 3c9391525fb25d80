"""Damaged shards: each utterance as it was, or one line that says what is wrong, at once."""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import zlib

import numpy as np
import pytest
import soundfile as sf

from damaged_archives import (
    DAMAGES,
    IDS,
    SPEAKERS,
    headers_of,
    make_members,
    members_lost,
    other_audio,
    tar,
)
from damaging import BYTES, thrown, watched
from local.dataset import CropOrder
from local.dataset.streamed import StreamedCrops
from local.errors import RecipeError
from local.shards import (
    MappedShards,
    index_shards,
    prepare_split,
    read_shards,
    speakers_by_class,
    stage_shards,
)
from local.shards.audio import decode
from shard_writing import member_pair, write_tar

CROP = 1600


class Reading:
    """Reads a damaged shard beside a good one in all ways, and judges what comes."""

    def __init__(self, folder, kind):
        self.folder, self.kind = folder, kind
        self.shard = folder / "shard-000000.tar"
        self.good = whole_utterances(kind)

    def check(self, content, audios, told=False):
        """`told` says that damaged audio is told, by its checksums.

        `audios` are the audio files that were in the shard, by the ids of their utterances.
        """
        self.told = told
        self.shard.write_bytes(content)
        self.touched = {key for key, audio in audios.items() if audio not in content}
        with watched(self.folder) as errors:
            index = index_shards(self.folder)
            speakers = speakers_by_class(index)
        streamed = self._stream_all()
        if errors:
            return None
        # What is read is all: nothing is left out in silence.
        ids = [sample.sample_id for sample in index]
        assert set(ids) <= set(IDS)
        assert speakers == list(SPEAKERS)
        if index.mapped:
            shards = MappedShards(index)
            for row, sample in enumerate(index):
                with watched(self.folder):
                    self._judge(sample.sample_id, shards.samples(row))
                    self._judge(sample.sample_id, shards.samples(row, 50, CROP), 50)
        with watched(self.folder):
            order = CropOrder(index, batch_size=2, seed=0)
            for batch in StreamedCrops(order, crop_frames=CROP, seed=0):
                assert batch.signals.shape[1] == CROP and set(batch.ids) <= set(IDS)
        return ids, streamed

    def _stream_all(self):
        """The utterances that come before the end, or an error."""
        ids = []
        with watched(self.folder):
            for sample, audio in read_shards(sorted(self.folder.glob("*.tar"))):
                ids.append(sample.sample_id)
                with contextlib.suppress(RecipeError):  # it knows only the sample
                    self._judge(sample.sample_id, decode(audio, sample, dtype="int16"))
        return ids

    def _judge(self, sample_id, found, start=0):
        expected = self.good[sample_id][start:][: len(found) if start else None]
        assert found.dtype == np.int16 and found.shape == expected.shape
        if sample_id not in self.touched or self.told:
            assert np.array_equal(found, expected)
        for other, signal in self.good.items():
            part = signal[start:][: len(found)]
            assert other == sample_id or not np.array_equal(found[: len(part)], part)


def whole_utterances(kind):
    """The samples of all utterances by their ids."""
    audios = [audio for _, audio in make_members(kind, range(len(IDS)))[::2]]
    samples = (sf.read(io.BytesIO(audio), dtype="int16")[0] for audio in audios)
    return dict(zip(IDS, samples, strict=True))


@thrown(DAMAGES, "wav shard", "flac shard")
def test_damaged_shards(tmp_path, rounds):
    kind, damage = rounds.kind.split()[0], rounds.damage
    reading = Reading(tmp_path, kind)
    write_tar(tmp_path / "shard-000001.tar", make_members(kind, (3, 4, 5)))
    whole = make_members(kind, (0, 1, 2))
    audios = {IDS[number]: whole[2 * number][1] for number in range(3)}
    for rng in rounds:
        content = damage(rng, list(whole))
        found = reading.check(content, audios, kind == "flac" and damage is not other_audio)
        if found is not None and damage is not members_lost:
            assert sorted(found[0]) == sorted(IDS)


def packed_after(rng, data):
    """The archive was damaged before it was packed."""
    return gzip.compress(rng.choice(BYTES)(rng, gzip.decompress(data)), 1)


PACKED_DAMAGE = [*BYTES, packed_after]


@thrown(PACKED_DAMAGE, "packed shard")
def test_damaged_packed_shards(tmp_path, rounds):
    """Packed shards have a checksum, so nothing that comes from a damaged one is used."""
    reading = Reading(tmp_path, "wav")
    write_tar(tmp_path / "shard-000001.tar", make_members("wav", (3, 4, 5)))
    whole = make_members("wav", (0, 1, 2))
    for rng in rounds:
        content = rounds.damage(rng, gzip.compress(tar(whole), 1, mtime=0))
        # Where the checksum is right, the audio may be damaged; else all that comes is whole.
        audios = {IDS[n]: b"none" if rounds.damage is packed_after else content for n in range(3)}
        found = reading.check(content, audios)
        if found is not None:
            assert sorted(found[0]) == sorted(IDS)


OTHERS = {
    "gzip": lambda data: gzip.compress(data),
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zip": lambda data: b"PK\x03\x04" + zlib.compress(data),
    "empty": lambda data: b"",
    "zeros": lambda data: bytes(10240),
    "twice packed": lambda data: gzip.compress(gzip.compress(data)),
    "much of nothing": lambda data: gzip.compress(bytes(50 * 10**6), 1),
    "much behind it": lambda data: gzip.compress(data + bytes(50 * 10**6) + b"x", 1),
}


@pytest.mark.parametrize("other", OTHERS)
def test_other_files_in_place_of_a_shard(tmp_path, other):
    write_tar(tmp_path / "shard-000001.tar", make_members("wav", (3, 4, 5)))
    content = OTHERS[other](tar(make_members("wav", (0, 1, 2))))
    found = Reading(tmp_path, "wav").check(content, {})
    assert (found is not None) is (other == "gzip")


@pytest.mark.parametrize("ending", ["tar", "tar.gz"])
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere")])
def test_what_is_no_file(tmp_path, make, ending):
    """A pipe, above all, is not waited for."""
    write_tar(tmp_path / "shard-000001.tar", make_members("wav", (3, 4, 5)))
    make(tmp_path / f"shard-000000.{ending}")
    for read in (
        index_shards,
        lambda folder: prepare_split(folder, "dev", folder / "index", mapped=True),
        lambda folder: prepare_split(folder, "dev", folder / "index", shard_cache=folder / "c"),
        lambda folder: stage_shards(folder, folder / "staged"),
    ):
        with watched(tmp_path) as errors:
            read(tmp_path)
        assert len(errors) == 1


@pytest.mark.parametrize("number", [1, 2, 3, 5])
@pytest.mark.parametrize("header", [bytes(512), b"x" * 512])
def test_a_lost_header_is_not_the_end(tmp_path, number, header):
    """tarfile stops there without a word, and the utterances behind it would be lost."""
    content = tar(make_members("wav", (0, 1, 2)))
    place = headers_of(content)[number]
    (tmp_path / "shard-000000.tar").write_bytes(content[:place] + header + content[place + 512 :])
    for packed in (False, True):
        with pytest.raises(RecipeError, match=r"shard-000000.tar: (truncated or|.* comes as wav)"):
            index_shards(tmp_path)
        if not packed:
            path = tmp_path / "shard-000000.tar"
            path.write_bytes(gzip.compress(path.read_bytes()))


def test_a_json_under_the_name_of_another(tmp_path):
    members = make_members("wav", (0, 1, 2))
    members[1], members[3] = (members[1][0], members[3][1]), (members[3][0], members[1][1])
    write_tar(tmp_path / "shard-000000.tar", members)
    with pytest.raises(RecipeError, match=r"0000/id1/x-_.v0/00000.json tells of Jürgen/x-_.v0"):
        index_shards(tmp_path)


@pytest.mark.parametrize("class_idx", [2**31, 2**63, 10**400, True, -1, 0.0, "0"])
def test_class_indices_that_are_none(tmp_path, class_idx):
    write_tar(tmp_path / "shard-000000.tar", member_pair(0, "a/b/c", class_idx))
    with pytest.raises(RecipeError, match="class_idx is"):
        index_shards(tmp_path)


def test_a_gap_in_the_classes_takes_no_memory(tmp_path):
    members = [*member_pair(0, "a/b/c", 0), *member_pair(1, "b/b/c", 2**31 - 1)]
    write_tar(tmp_path / "shard-000000.tar", members)
    with watched(tmp_path) as errors:
        speakers_by_class(index_shards(tmp_path))
    assert "[1, 2, 3, 4, 5] of them missing" in str(errors[0])

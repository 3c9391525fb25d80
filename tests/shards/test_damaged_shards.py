"""Damaged shards: each utterance as it was, or one line that says what is wrong, at once."""

import bz2
import contextlib
import gzip
import io
import json
import lzma
import os
import zlib

import numpy as np
import pytest
import soundfile as sf

import damaging
from damaging import BYTES, ODD_VALUES, odd_value, rounds, watched
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
from shard_writing import member_pair, wav_bytes, write_tar

CROP = 1600
SPEAKERS = {"id1": 0, "Jürgen": 1, "id3": 2}
IDS = [f"{speaker}/x-_.v{u % 2}/{u:05d}" for u in range(2) for speaker in SPEAKERS]
FRAMES = [1700 + 130 * number for number in range(len(IDS))]  # each of another length


def make_members(kind, numbers, **changes):
    members = []
    for number in numbers:
        audio = wav_bytes(FRAMES[number], seed=number, fmt="FLAC" if kind == "flac" else "WAV")
        speaker = SPEAKERS[IDS[number].split("/")[0]]
        pair = member_pair(number, IDS[number], speaker, FRAMES[number], audio=audio, **changes)
        members += [(pair[0][0].replace(".wav", f".{kind}"), audio), pair[1]]
    return members


@pytest.fixture(scope="module")
def tar_of(tmp_path_factory):
    """From members to the bytes of their archive."""
    path = tmp_path_factory.mktemp("tar") / "x.tar"

    def tar(members):
        write_tar(path, members)
        return path.read_bytes()

    return tar


def of_bytes(damage):
    def damaged(rng, members, tar):
        return damage(rng, tar(members))

    damaged.__name__ = damage.__name__
    return damaged


def one_of(rng, members, audio):
    """The place of a member, of audio or of JSON, and its name and content."""
    place = rng.randrange(len(members) // 2) * 2 + (not audio)
    return place, *members[place]


def members_swapped(rng, members, tar):
    first, second = rng.sample(range(len(members)), 2)
    members[first], members[second] = members[second], members[first]
    return tar(members)


def contents_swapped(rng, members, tar):
    first = rng.randrange(len(members))
    second = rng.choice([place for place in range(first % 2, len(members), 2) if place != first])
    contents = {first: members[second][1], second: members[first][1]}
    return tar([(name, contents.get(n, was)) for n, (name, was) in enumerate(members)])


def members_doubled(rng, members, tar):
    first = rng.randrange(len(members))
    count = rng.choice([1, 2])
    place = rng.choice([first, len(members)])
    return tar(members[:place] + members[first : first + count] + members[place:])


def members_lost(rng, members, tar):
    del members[rng.randrange(len(members))]
    return tar(members)


def other_name(rng, members, tar):
    place, name, content = one_of(rng, members, rng.random() < 0.5)
    odd = [
        "",
        "x",
        "a\nb.wav",
        "a\udcff/b/c.json",
        "../../etc/passwd",
        "/x.wav",
        "x" * 3000 + ".wav",
    ]
    odd += [name.replace("id1", "id3"), name.upper(), name + ".gz", name.replace("0", "\n")]
    odd += [
        name.replace("/", "\\"),
        name.rpartition(".")[0] + "." + rng.choice(["wav", "json", "mp3"]),
    ]
    members[place] = (rng.choice(odd), content)
    return tar(members)


def headers_of(data):
    """Where the headers of an archive of these members begin."""
    place, found = 0, []
    while data[place : place + 512].strip(b"\0"):
        found.append(place)
        size = int(data[place + 124 : place + 135], 8)
        place += 512 + (size + 511) // 512 * 512
    return found


def with_checksum(data, place):
    header = bytearray(data[place : place + 512])
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return data[:place] + bytes(header) + data[place + 512 :]


def bad_checksum(rng, members, tar):
    data = bytearray(tar(members))
    data[rng.choice(headers_of(data)) + 148 + rng.randrange(6)] ^= 1
    return bytes(data)


def header_zeroed(rng, members, tar):
    data = tar(members)
    place = rng.choice(headers_of(data))
    return data[:place] + bytes(512) + data[place + 512 :]


SIZES = (0, 1, 511, 4096, 10**6, 8**11 - 1)
LONG_SIZES = (2**33, 2**40, 2**62, 2**63 - 1, 2**64, 2**87 - 1, -512, -1024, -(2**40))


def odd_size(rng, members, tar):
    """A size in a header, as the checksum says rightly; also in base 256, where it may be < 0."""
    data = bytearray(tar(members))
    place = rng.choice(headers_of(data))
    if rng.random() < 0.5:
        data[place + 124 : place + 136] = b"%011o\0" % rng.choice(SIZES)
    else:
        size = rng.choice(LONG_SIZES)
        data[place + 124 : place + 136] = bytes([0xFF if size < 0 else 0x80]) + size.to_bytes(
            11, "big", signed=True
        )
    return with_checksum(bytes(data), place)


def odd_type(rng, members, tar):
    """A member becomes a link, a device, a sparse file, a long name, a pax header, ..."""
    data = bytearray(tar(members))
    place = rng.choice(headers_of(data))
    data[place + 156] = rng.choice(b"\x00123456789LKSxgXVDMAZ\xff")
    if rng.random() < 0.3:
        data[place + 124 : place + 136] = b"%011o\0" % rng.choice(SIZES)
    return with_checksum(bytes(data), place)


def header_bytes(rng, members, tar):
    data = bytearray(tar(members))
    place = rng.choice(headers_of(data))
    for _ in range(rng.randrange(1, 5)):
        data[place + rng.randrange(512)] = rng.choice(
            [0, 0x20, 0x30, 0x80, 0xFF, rng.randrange(256)]
        )
    return with_checksum(bytes(data), place)


def two_archives(rng, members, tar):
    half = len(members) // 4 * 2
    return tar(members[:half]) + tar(members[half:])


def other_audio(rng, members, tar):
    """Another rate, number of channels, kind of samples, length or container than is told."""
    place, name, _ = one_of(rng, members, True)
    rate, fmt = (
        rng.choice([8000, 16000, 44100]),
        rng.choice(["WAV", "WAVEX", "FLAC", "OGG", "AIFF"]),
    )
    subtypes = {"WAV": ["PCM_16", "PCM_U8", "FLOAT", "ULAW", "GSM610"], "OGG": ["VORBIS"]}
    subtype = rng.choice(subtypes.get(fmt, ["PCM_16", "PCM_24"]))
    frames = rng.choice([0, 1, FRAMES[place // 2], FRAMES[place // 2] + 7])
    if subtype == "GSM610":
        rate = 8000
    members[place] = (name, wav_bytes(frames, rate, place // 2, fmt, subtype=subtype))
    return tar(members)


def audio_header(rng, members, tar):
    place, name, content = one_of(rng, members, True)
    content = bytearray(content)
    for _ in range(rng.randrange(1, 4)):
        content[rng.randrange(60)] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
    members[place] = (name, bytes(content))
    return tar(members)


def lying_lengths(rng, members, tar):
    place, name, content = one_of(rng, members, True)
    lie = rng.choice([0, 1, len(content) - 45, len(content) + 1, 2**31 - 1, 2**31, 2**32 - 1])
    content = bytearray(content)
    where = rng.choice([4, 16, 40]) if name.endswith(".wav") else rng.choice([4, 18, 22])
    content[where : where + 4] = lie.to_bytes(4, "little")
    members[place] = (name, bytes(content))
    return tar(members)


def audio_damaged(rng, members, tar):
    place, name, content = one_of(rng, members, True)
    damage = rng.choice(BYTES)
    members[place] = (name, content[:44] + damage(rng, content[44:]))
    return tar(members)


def json_damaged(rng, members, tar):
    place, name, content = one_of(rng, members, False)
    members[place] = (name, rng.choice(BYTES)(rng, content))
    return tar(members)


def json_of_odd_values(rng, members, tar):
    place, name, content = one_of(rng, members, False)
    values = json.loads(content)
    if rng.random() < 0.3:  # what agrees with itself, and still is no name
        values["speaker_id"] = str(rng.choice(ODD_VALUES))
        values["sample_id"] = "/".join(
            values[key] for key in ("speaker_id", "youtube_id", "utterance_id")
        )
    else:
        odd_value(rng, values)
    members[place] = (name, json.dumps(values).encode())
    return tar(members)


def json_too_deep_or_long(rng, members, tar):
    place, name, content = one_of(rng, members, False)
    members[place] = (name, damaging.json_too_deep_or_long(rng, content))
    return tar(members)


DAMAGE = [
    *map(of_bytes, BYTES),
    *(members_swapped, contents_swapped, members_doubled, members_lost, other_name),
    *(bad_checksum, header_zeroed, odd_size, odd_type, header_bytes, two_archives),
    *(other_audio, audio_header, lying_lengths, audio_damaged),
    *(json_damaged, json_of_odd_values, json_too_deep_or_long),
]


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
        index = None
        with watched(self.folder):
            index = index_shards(self.folder)
            speakers = speakers_by_class(index)
        streamed = self._stream_all()
        if index is None:
            return
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


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_damaged_shards(tmp_path, tar_of, kind, damage):
    reading = Reading(tmp_path, kind)
    write_tar(tmp_path / "shard-000001.tar", make_members(kind, (3, 4, 5)))
    whole = make_members(kind, (0, 1, 2))
    audios = {IDS[number]: whole[2 * number][1] for number in range(3)}
    for rng in rounds(f"{kind} shard", damage, DAMAGE):
        content = damage(rng, list(whole), tar_of)
        found = reading.check(content, audios, kind == "flac" and damage is not other_audio)
        if found is not None and damage is not members_lost:
            assert sorted(found[0]) == sorted(IDS)


def packed_after(rng, data):
    """The archive was damaged before it was packed."""
    return gzip.compress(rng.choice(BYTES)(rng, gzip.decompress(data)), 1)


PACKED_DAMAGE = [*BYTES, packed_after]


@pytest.mark.parametrize("damage", PACKED_DAMAGE)
def test_damaged_packed_shards(tmp_path, tar_of, damage):
    """Packed shards have a checksum, so nothing that comes from a damaged one is used."""
    reading = Reading(tmp_path, "wav")
    write_tar(tmp_path / "shard-000001.tar", make_members("wav", (3, 4, 5)))
    whole = make_members("wav", (0, 1, 2))
    for rng in rounds("packed shard", damage, PACKED_DAMAGE):
        content = damage(rng, gzip.compress(tar_of(whole), 1, mtime=0))
        # Where the checksum is right, the audio may be damaged; else all that comes is whole.
        audios = {IDS[n]: b"none" if damage is packed_after else content for n in range(3)}
        found = reading.check(content, audios)
        if found is not None:
            assert sorted(found[0]) == sorted(IDS)


OTHERS = {
    "gzip": lambda tar: gzip.compress(tar),
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zip": lambda tar: b"PK\x03\x04" + zlib.compress(tar),
    "empty": lambda tar: b"",
    "zeros": lambda tar: bytes(10240),
    "twice packed": lambda tar: gzip.compress(gzip.compress(tar)),
    "much of nothing": lambda tar: gzip.compress(bytes(100 * 10**6), 1),
    "much behind it": lambda tar: gzip.compress(tar + bytes(100 * 10**6) + b"x", 1),
}


@pytest.mark.parametrize("other", OTHERS)
def test_other_files_in_place_of_a_shard(tmp_path, tar_of, other):
    write_tar(tmp_path / "shard-000001.tar", make_members("wav", (3, 4, 5)))
    content = OTHERS[other](tar_of(make_members("wav", (0, 1, 2))))
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

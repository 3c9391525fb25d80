"""Shards, and what happens to them: members lost, headers damaged, JSON and audio that lie.

Each damage is given the members of a shard, as (name, bytes), and gives the bytes of its archive.
"""

import json
import tempfile
from pathlib import Path

import damaging
from damaging import BYTES, ODD_VALUES, odd_value
from shard_writing import member_pair, wav_bytes, write_tar

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


def tar(members):
    """The bytes of their archive."""
    with tempfile.TemporaryDirectory() as folder:
        write_tar(Path(folder, "x.tar"), members)
        return Path(folder, "x.tar").read_bytes()


def of_bytes(damage):
    def damaged(rng, members):
        return damage(rng, tar(members))

    damaged.__name__ = damage.__name__
    return damaged


def one_of(rng, members, audio):
    """The place of a member, of audio or of JSON, and its name and content."""
    place = rng.randrange(len(members) // 2) * 2 + (not audio)
    return place, *members[place]


def members_swapped(rng, members):
    first, second = rng.sample(range(len(members)), 2)
    members[first], members[second] = members[second], members[first]
    return tar(members)


def contents_swapped(rng, members):
    first = rng.randrange(len(members))
    second = rng.choice([place for place in range(first % 2, len(members), 2) if place != first])
    contents = {first: members[second][1], second: members[first][1]}
    return tar([(name, contents.get(n, was)) for n, (name, was) in enumerate(members)])


def members_doubled(rng, members):
    first = rng.randrange(len(members))
    count = rng.choice([1, 2])
    place = rng.choice([first, len(members)])
    return tar(members[:place] + members[first : first + count] + members[place:])


def members_lost(rng, members):
    del members[rng.randrange(len(members))]
    return tar(members)


def other_name(rng, members):
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


def bad_checksum(rng, members):
    data = bytearray(tar(members))
    data[rng.choice(headers_of(data)) + 148 + rng.randrange(6)] ^= 1
    return bytes(data)


def header_zeroed(rng, members):
    data = tar(members)
    place = rng.choice(headers_of(data))
    return data[:place] + bytes(512) + data[place + 512 :]


SIZES = (0, 1, 511, 4096, 10**6, 8**11 - 1)
LONG_SIZES = (2**33, 2**40, 2**62, 2**63 - 1, 2**64, 2**87 - 1, -512, -1024, -(2**40))


def odd_size(rng, members):
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


def odd_type(rng, members):
    """A member becomes a link, a device, a sparse file, a long name, a pax header, ..."""
    data = bytearray(tar(members))
    place = rng.choice(headers_of(data))
    data[place + 156] = rng.choice(b"\x00123456789LKSxgXVDMAZ\xff")
    if rng.random() < 0.3:
        data[place + 124 : place + 136] = b"%011o\0" % rng.choice(SIZES)
    return with_checksum(bytes(data), place)


def header_bytes(rng, members):
    data = bytearray(tar(members))
    place = rng.choice(headers_of(data))
    for _ in range(rng.randrange(1, 5)):
        data[place + rng.randrange(512)] = rng.choice(
            [0, 0x20, 0x30, 0x80, 0xFF, rng.randrange(256)]
        )
    return with_checksum(bytes(data), place)


def two_archives(rng, members):
    half = len(members) // 4 * 2
    return tar(members[:half]) + tar(members[half:])


def other_audio(rng, members):
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


def audio_header(rng, members):
    place, name, content = one_of(rng, members, True)
    content = bytearray(content)
    for _ in range(rng.randrange(1, 4)):
        content[rng.randrange(60)] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
    members[place] = (name, bytes(content))
    return tar(members)


def lying_lengths(rng, members):
    place, name, content = one_of(rng, members, True)
    lie = rng.choice([0, 1, len(content) - 45, len(content) + 1, 2**31 - 1, 2**31, 2**32 - 1])
    content = bytearray(content)
    where = rng.choice([4, 16, 40]) if name.endswith(".wav") else rng.choice([4, 18, 22])
    content[where : where + 4] = lie.to_bytes(4, "little")
    members[place] = (name, bytes(content))
    return tar(members)


def audio_damaged(rng, members):
    place, name, content = one_of(rng, members, True)
    damage = rng.choice(BYTES)
    members[place] = (name, content[:44] + damage(rng, content[44:]))
    return tar(members)


def json_damaged(rng, members):
    place, name, content = one_of(rng, members, False)
    members[place] = (name, rng.choice(BYTES)(rng, content))
    return tar(members)


def json_of_odd_values(rng, members):
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


def json_too_deep_or_long(rng, members):
    place, name, content = one_of(rng, members, False)
    members[place] = (name, damaging.json_too_deep_or_long(rng, content))
    return tar(members)


DAMAGES = [
    *map(of_bytes, BYTES),
    *(members_swapped, contents_swapped, members_doubled, members_lost, other_name),
    *(bad_checksum, header_zeroed, odd_size, odd_type, header_bytes, two_archives),
    *(other_audio, audio_header, lying_lengths, audio_damaged),
    *(json_damaged, json_of_odd_values, json_too_deep_or_long),
]

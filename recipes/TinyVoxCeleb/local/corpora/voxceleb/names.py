"""How the speakers, utterances and parts of VoxCeleb are named, and how many there are.

A. Nagrani, J. S. Chung, A. Zisserman, "VoxCeleb: a large-scale speaker identification dataset",
Interspeech 2017; J. S. Chung, A. Nagrani, A. Zisserman, "VoxCeleb2: Deep Speaker Recognition",
Interspeech 2018.
"""

import re
from typing import NamedTuple

SPEAKER = re.compile(r"id\d{5}", re.ASCII)
PLAIN = re.compile(r"[\w-]+", re.ASCII)
# VoxCeleb1 as it came first: A.J._Buckley/1zcIwhmdeo4/0000001.wav, or ..._0000001.wav beside it
VIDEO = re.compile(r"[\w-]{11}", re.ASCII)
LONG_NUMBER = re.compile(r"00\d{5}", re.ASCII)
VIDEO_AND_NUMBER = re.compile(r"([\w-]{11})[_-](?:00)?(\d{5})", re.ASCII)
FIRST_VOX1, LAST_VOX1 = "id10001", "id11251"
FIRST_TEST, LAST_TEST = "id10270", "id10309"  # of VoxCeleb1
LAST_VOX2 = "id09272"
SIDE = re.compile(r"(?<![a-z])(dev|train|test)(?![a-z])")  # in the name of a folder


class Part(NamedTuple):
    """A part of VoxCeleb as it is published, and what it holds."""

    title: str
    speakers: int
    sessions: int
    utterances: int


PARTS = {
    "vox1-dev": Part("VoxCeleb1 dev", 1211, 21_819, 148_642),
    "vox1-test": Part("VoxCeleb1 test", 40, 677, 4_874),
    "vox2-dev": Part("VoxCeleb2 dev", 5994, 145_569, 1_092_009),
    "vox2-test": Part("VoxCeleb2 test", 118, 4_911, 36_237),
}


def utterance_id(above: str, folder: str, stem: str) -> str | None:
    """The id "speaker/session/utterance" of a file without its extension, in two folders.

    None where it is no utterance of VoxCeleb.

    Example
    -------
    >>> utterance_id("id10001", "1zcIwhmdeo4", "00001")
    'id10001/1zcIwhmdeo4/00001'
    >>> utterance_id("A.J._Buckley", "1zcIwhmdeo4", "0000001")
    'A.J._Buckley/1zcIwhmdeo4/00001'
    >>> utterance_id("wav", "A.J._Buckley", "1zcIwhmdeo4_0000001")
    'A.J._Buckley/1zcIwhmdeo4/00001'
    >>> utterance_id("music", "recorded_by", "00001")
    """
    if SPEAKER.fullmatch(above):
        if not (PLAIN.fullmatch(stem) and PLAIN.fullmatch(folder)):
            return None
        return f"{above}/{folder}/{stem[2:] if LONG_NUMBER.fullmatch(stem) else stem}"
    if LONG_NUMBER.fullmatch(stem) and VIDEO.fullmatch(folder) and above:
        return f"{above}/{folder}/{stem[2:]}"
    if (found := VIDEO_AND_NUMBER.fullmatch(stem)) and folder:
        return f"{folder}/{found[1]}/{found[2]}"
    return None


def part_of(speaker: str, side: str) -> str:
    """The part that a speaker is of, a key of PARTS; "" where nothing tells.

    `side` is what else tells it: "dev", "test" or "". In VoxCeleb1 the ids do; where speakers have
    names in their place, those that begin with E are its test part (Nagrani et al., 2017).

    Example
    -------
    >>> part_of("id10270", "dev"), part_of("Eartha_Kitt", ""), part_of("id00012", "test")
    ('vox1-test', 'vox1-test', 'vox2-test')
    """
    if not SPEAKER.fullmatch(speaker):
        return "vox1-test" if speaker.startswith("E") else "vox1-dev"
    if FIRST_VOX1 <= speaker <= LAST_VOX1:
        return "vox1-test" if FIRST_TEST <= speaker <= LAST_TEST else "vox1-dev"
    return f"vox2-{side}" if side and speaker <= LAST_VOX2 else ""


def side_of(names: list[str]) -> str:
    """What the names of folders tell, the last of them first: "dev", "test" or "".

    Example
    -------
    >>> side_of(["vox2_test_aac", "aac"]), side_of(["train", "wav"]), side_of(["latest"])
    ('test', 'dev', '')
    """
    for name in reversed(names):
        if found := SIDE.search(name.lower()):
            return "test" if found[1] == "test" else "dev"
    return ""

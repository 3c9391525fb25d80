"""Small VoxCelebs, in the layouts that people have them in, with audio that is spoken."""

import base64
import functools
import hashlib
import zipfile
from pathlib import Path

import av
import numpy as np
import soundfile as sf

from local.corpora.artificial_voices import draw_voice, speak
from local.layout import SAMPLE_RATE

# Sex by speaker: VoxCeleb1 dev, VoxCeleb1 test, VoxCeleb2 dev, VoxCeleb2 test.
VOX1_DEV = {"id10001": "m", "id10006": "f", "id10012": "m", "id11251": "f"}
VOX1_TEST = {"id10270": "f", "id10309": "m"}
VOX2_DEV = {"id00012": "m", "id00018": "f", "id09272": "m"}
VOX2_TEST = {"id00017": "m", "id00419": "f"}
VOX1 = VOX1_DEV | VOX1_TEST
VOX2 = VOX2_DEV | VOX2_TEST
NAMES = {
    **{"id10001": "A.J._Buckley", "id10006": "Abigail_Spencer", "id10012": "Adam_Driver"},
    **{"id11251": "Zulay_Henao", "id10270": "Eartha_Kitt", "id10309": "Ezra_Miller"},
}
LAYOUTS = {  # of VoxCeleb1 and VoxCeleb2: where their parts lie, and what kind the files are
    "wav": ("wav wav", "wav wav", "wav"),
    "parts": ("vox1_dev_wav/wav vox1_test_wav/wav", "vox2_dev_wav/wav vox2_test_wav/wav", "wav"),
    "split": ("dev/wav test/wav", "dev/wav test/wav", "wav"),
    "aac": ("dev/aac test/aac", "dev/aac test/aac", "m4a"),
    "downloaded": (
        *("vox1_dev_wav/wav vox1_test_wav/wav", "vox2_dev_aac/dev/aac vox2_test_aac/test/aac"),
        "as VoxCeleb",
    ),
    "both": ("voxceleb1/dev/wav voxceleb1/test/wav", "VoxCeleb2/dev/aac VoxCeleb2/test/aac", "m4a"),
    "root": (". .", ". .", "wav"),
    "nested": ("corpora/v/wav corpora/v/wav", "corpora/w/wav corpora/w/wav", "wav"),
    "beside": ("wav wav", "dev/aac test/aac", "wav m4a"),
    "flac": ("flac flac", "flac flac", "flac"),
    "names": ("voxceleb1_wav voxceleb1_wav", "dev/aac test/aac", "as VoxCeleb"),
    "flat names": ("voxceleb1_wav voxceleb1_wav", "dev/aac test/aac", "as VoxCeleb"),
    "links": ("wav wav", "dev/aac test/aac", "as VoxCeleb"),
    "zips": ("wav wav", "dev/aac aac", "as VoxCeleb"),
    "download": ("wav wav", "dev/aac aac", "as VoxCeleb"),
}
ZIPS = ("vox1_dev_wav", "vox1_test_wav", "vox2_dev_aac", "vox2_test_aac")
SPEAKERS = VOX1 | VOX2
AUDIO_KEPT = 4096  # files of a test process


def build(
    folder,
    layout,
    speakers=SPEAKERS,
    *,
    sessions=2,
    utterances=2,
    seconds=0.5,
    meta="tabs",
    of=None,
):
    """Write a VoxCeleb of some speakers into a folder; returns the ids of its utterances, sorted.

    Arguments
    ---------
    layout : str
        One of LAYOUTS. With "zips" these are the zip files; with "download" those of the dev parts
        in pieces; with "links" the speakers lie on two "disks" beside the folder.
    speakers : dict of str to str
        The sex, "f" or "m", of each, by ids of VoxCeleb, of which there may be any number.
    meta : str or None
        "tabs" or "commas" between the values of vox1_meta.csv and vox2_meta.csv, or none of them.
    of : callable or None
        Gives the signal of an utterance from its id and its speaker's sex; by default an artificial
        voice speaks for `seconds`. See `real_speech`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    ids = [
        f"{speaker}/{session_of(speaker, session)}/{utterance:05}"
        for speaker in speakers
        for session in range(sessions)
        for utterance in range(1, utterances + 1)
    ]
    for identifier in ids:
        sex = speakers[identifier.split("/")[0]]
        signal = of(identifier, sex) if of else spoken(identifier, sex, seconds)
        for place in _places(layout, identifier):
            write(folder / place, signal)
    if layout == "links":
        _spread(folder)
    if layout in ("zips", "download"):
        _pack(folder, speakers)
    if layout == "download":
        for path in folder.glob("*_dev_*.zip"):
            cut(path)
    if meta:
        write_meta(folder, speakers, meta)
    return sorted(ids)


def is_first(speaker):
    """Whether a speaker is one of VoxCeleb1."""
    return speaker >= "id10001"


def is_test(speaker):
    """Whether a speaker is one of the test part of VoxCeleb1, or of those of VoxCeleb2 here."""
    return "id10270" <= speaker <= "id10309" or speaker in VOX2_TEST


def name_of(speaker):
    """The name that VoxCeleb1 had in place of an id at first, made up where it is none of NAMES."""
    return NAMES.get(speaker) or f"{'Eve' if is_test(speaker) else 'Ann'}_{speaker[2:]}"


def session_of(speaker, number):
    """The name of a session, as YouTube has them: 11 characters, also "-" and "_"."""
    digest = hashlib.sha256(f"{speaker} {number}".encode()).digest()
    return base64.urlsafe_b64encode(digest).decode()[:11]


@functools.lru_cache(AUDIO_KEPT)
def spoken(identifier, sex, seconds):
    """What an artificial voice says: the same for the same utterance."""
    voice, words = (
        np.random.default_rng(list(name.encode()))
        for name in (identifier.split("/")[0], identifier)
    )
    signal = speak(draw_voice(voice, sex), words, seconds)
    return 0.3 * signal / np.abs(signal).max()


def real_speech(folder):
    """The signals for `build` from recorded speech in the tiny-voxceleb layout: its train split.

    Each speaker of the tree gets a recorded one of the same sex, as far as there are enough.
    """
    table = (line.split(",") for line in (folder / "tiny_meta.csv").read_text().splitlines())
    columns = next(table)
    sexes = {row[columns.index("id")]: row[columns.index("gender")].lower()[0] for row in table}
    files = {"f": {}, "m": {}}
    for path in sorted((folder / "train").glob("*/*/*.*")):
        speaker = path.parts[-3]
        files[sexes[speaker]].setdefault(speaker, []).append(path)
    taken = {}

    def signal_of(identifier, sex):
        speaker = identifier.split("/")[0]
        if speaker not in taken:
            name = next(iter(files[sex]))
            taken[speaker] = files[sex].pop(name)
        paths = taken[speaker]
        return sf.read(paths[hash_of(identifier) % len(paths)], dtype="float32")[0]

    return signal_of


def hash_of(text):
    """A number that is the same in each process."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def write(path, signal):
    """Write a signal at 16 kHz as the kind of audio that the name of the file tells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix != ".m4a":
        sf.write(path, signal, SAMPLE_RATE, subtype="PCM_16")
        return
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        samples = np.asarray(signal, np.float32)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        for part in (frame, None):
            out.mux(stream.encode(part))


def _places(layout, identifier):
    speaker, session, utterance = identifier.split("/")
    first, test = is_first(speaker), is_test(speaker)
    *places, kinds = LAYOUTS[layout]
    where = places[not first].split()[test]
    if layout in ("zips", "download"):
        where = f"{ZIPS[2 * (not first) + test]}/{where}"
    if kinds == "as VoxCeleb":
        kinds = "wav" if first else "m4a"
    if first and layout == "names":
        return [f"{where}/{name_of(speaker)}/{session}/00{utterance}.wav"]
    if first and layout == "flat names":
        return [f"{where}/{name_of(speaker)}/{session}_00{utterance}.wav"]
    return [f"{where}/{identifier}.{kind}" for kind in kinds.split()]


def _spread(folder):
    """Move every speaker to one of two disks beside the folder, and leave a link."""
    for number, place in enumerate(sorted(folder.rglob("id?????"))):
        disk = folder.with_name(f"{folder.name} disk {number % 2}")
        disk.mkdir(exist_ok=True)
        place.symlink_to(place.rename(disk / place.name))


def _pack(folder, speakers):
    """Make the zip files of what lies in folders of their names, and remove these."""
    for name in ZIPS:
        top = folder / name
        if not top.is_dir():
            continue
        with zipfile.ZipFile(f"{top}.zip", "w") as archive:
            for path in sorted(top.rglob("*"), key=lambda path: str(path)):
                archive.write(path, path.relative_to(top))
        for path in sorted(top.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        top.rmdir()


def cut(path):
    """Replace a zip file by pieces of it, name_partaa, name_partab, …, as they are downloaded."""
    pieces = 4 if path.name.startswith("vox1") else 8
    content, size = path.read_bytes(), -(-path.stat().st_size // pieces)
    for number in range(pieces):
        part = path.with_name(f"{path.stem}_parta{chr(ord('a') + number)}")
        part.write_bytes(content[number * size :][:size])
    path.unlink()


def write_meta(folder, speakers, spelling):
    """Write vox1_meta.csv and vox2_meta.csv, with "tabs" or "commas" between the values.

    As they are published, that of VoxCeleb1 has tabs, that of VoxCeleb2 commas with blanks.
    """
    first = [("VoxCeleb1 ID", "VGGFace1 ID", "Gender", "Nationality", "Set")]
    second = [("VoxCeleb2 ID ", "VGGFace2 ID ", "Gender ", "Set ")]
    for number, (speaker, sex) in enumerate(speakers.items()):
        country = ("Ireland", "USA", "Germany")[number % 3]
        part = "test" if is_test(speaker) else "dev"
        if is_first(speaker):
            first.append((speaker, name_of(speaker), sex, country, part))
        else:
            second.append((f"{speaker} ", f"n{number:06} ", f"{sex} ", f"{part} "))
    for name, rows in (("vox1_meta.csv", first), ("vox2_meta.csv", second)):
        if len(rows) > 1:
            between = "\t" if spelling == "tabs" else ","
            Path(folder, name).write_text("".join(f"{between.join(row)}\n" for row in rows))

"""What it takes to find VoxCeleb below a folder, beside what listing its files takes by itself."""

import os
import shutil
import statistics
import time
import zipfile
from pathlib import Path

from benchmarks.measuring import in_process
from benchmarks.usage import peak_memory

UTTERANCES = 110_000
A_SPEAKER = 171  # utterances; 1.23 million of them have 7,205 speakers
A_SESSION = 7
FIRST_VOX1, LAST_VOX1 = 10_001, 11_251
SIZE = 64_000  # bytes of a file, none of which the disk has to hold
ROUNDS = 3


def measure(folder: Path, utterances: int = UTTERANCES, rounds: int = ROUNDS) -> list[str]:
    """Build a VoxCeleb of empty audio below a folder, and find it; lines of a table.

    Ours and the peer take turns, each time in a new process: time and memory are medians, that of
    imports left out. All is in the system's cache.
    """
    places = {"files": Path(folder, "tree"), "zip file": Path(folder, "packed")}
    in_process(build, places["files"], utterances)
    in_process(pack, places["zip file"], utterances)
    peers = {"files": ("os.walk", walk_files), "zip file": ("zipfile.namelist", list_members)}
    lines = ["| utterances as | ours, s | peer | peer, s | ratio | ours, MB | peer, MB |"]
    lines += ["|---|--:|---|--:|--:|--:|--:|"]
    for kind, (name, peer) in peers.items():
        found = [
            (in_process(find, places[kind]), in_process(peer, places[kind])) for _ in range(rounds)
        ]
        for count, *_ in (each for pair in found for each in pair):
            if count != utterances:
                raise SystemExit(f"{kind}: {count} utterances found of {utterances}")
        (_, ours, memory), (_, theirs, others) = (
            [statistics.median(values) for values in zip(*side, strict=True)]
            for side in zip(*found, strict=True)
        )
        lines.append(
            f"| {utterances:,} {kind} | {ours:.2f} | {name} | {theirs:.2f} | {ours / theirs:.2f} "
            f"| {memory / 1e6:.0f} | {others / 1e6:.0f} |"
        )
    for place in places.values():
        shutil.rmtree(place)
    return lines


def members(utterances: int):
    """Paths of utterances as VoxCeleb1 and VoxCeleb2 have them, in turns."""
    for number in range(utterances):
        speaker, left = divmod(number, A_SPEAKER)
        session, utterance = divmod(left, A_SESSION)
        first = speaker % 6 == 0
        name = FIRST_VOX1 + speaker // 6 if first else 12 + speaker - speaker // 6
        above, kind = ("vox1_dev_wav/wav", "wav") if first else ("vox2_dev_aac/dev/aac", "m4a")
        yield f"{above}/id{name:05}/v-{speaker:04}_{session:04}/{utterance:05}.{kind}"


def build(folder, utterances, pipe):
    for member in members(utterances):
        path = f"{folder}/{member}"
        try:
            file = os.open(path, os.O_CREAT | os.O_WRONLY)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path))
            file = os.open(path, os.O_CREAT | os.O_WRONLY)
        os.ftruncate(file, SIZE)
        os.close(file)
    pipe.send(None)


def pack(folder, utterances, pipe):
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "voxceleb.zip", "w") as archive:
        for member in members(utterances):
            archive.writestr(member, b"0")
    pipe.send(None)


def timed(function, pipe):
    """Send what a function gives, how long it takes, and its memory in bytes at the most."""
    before, start = peak_memory(), time.perf_counter()
    count = function()
    pipe.send((count, time.perf_counter() - start, peak_memory() - before))


def find(folder, pipe):
    from local.corpora.voxceleb.download import find_voxceleb

    timed(lambda: len(find_voxceleb(folder).paths), pipe)


def walk_files(folder, pipe):
    def walk():
        paths = [
            os.path.join(above, name)
            for above, _, names in os.walk(folder)
            for name in names
            if name.endswith((".wav", ".m4a"))
        ]
        return len(sorted(paths))

    timed(walk, pipe)


def list_members(folder, pipe):
    def names():
        with zipfile.ZipFile(folder / "voxceleb.zip") as archive:
            return len(archive.namelist())

    timed(names, pipe)

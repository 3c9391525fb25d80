"""Shards that are finished, of a split that is not: they stay for the next call, if this is killed.

Beside each, in a folder of its own, lies a note: what it was made of, its checksum, and what was
found out. It is written when the shard is on the disk. What has no note, or another origin or
content, is removed, and written anew.
"""

import base64
import json
import os
import shutil
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from local.errors import RecipeError
from local.files import atomic_file
from local.shards.complete import DIGEST
from local.shards.record import Origin
from local.stored import check_type, parse_json

BLOCK = 1 << 22  # bytes that are read at once


@dataclass
class Note:
    """What is noted of a finished shard."""

    origin: Origin
    checked: bool
    samples: int = 0
    frames: int = 0  # audio samples
    bytes: int = 0
    checksum: int = 0
    absent: str = ""  # why there was no detector of speech
    digests: str = ""  # of the audio of each sample, in base64; "" where nothing was decoded
    faults: dict[str, list[int]] = field(default_factory=dict)  # places in the shard, by fault
    left_out: dict[str, str] = field(default_factory=dict)  # places of what is not in it, and why

    def audio(self) -> np.ndarray:
        """The digests, uint8 of shape (samples, DIGEST), zeros where they are not known."""
        if not self.digests:
            return np.zeros((self.samples, DIGEST), np.uint8)
        digests = np.frombuffer(base64.b64decode(self.digests, validate=True), np.uint8)
        return digests.reshape(self.samples, DIGEST)


def _notes_folder(folder):
    """Where notes lie of the finished shards of a folder that appears when all are."""
    return folder.with_name(f".{folder.name}.notes")


def forget(folder: Path) -> None:
    """Remove the finished shards that wait to be a folder, as it is there, or never will be."""
    for waiting in (folder.with_name(f".{folder.name}.partial"), _notes_folder(folder)):
        shutil.rmtree(waiting, ignore_errors=True)


class Unfinished:
    """The finished shards of one split, in the hidden folder where they wait for the others."""

    def __init__(self, shards: Path, folder: Path):
        """`folder` is where they will be."""
        self._shards, self._notes, self._folder = shards, _notes_folder(folder), folder

    def take(
        self, names: list[str], origins: list[Origin], checked: bool, skip_bad: bool
    ) -> list[Note | None]:
        """The note of each shard that is there already, and as it was; all else is removed.

        A shard from which something was left out is as it was where `skip_bad` asks for it again.
        """

        def read(name, origin):
            note = self._read(name, origin, checked)
            return note if note and (skip_bad or not note.left_out) else None

        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            notes = list(pool.map(read, names, origins))
        there = {name for name, note in zip(names, notes, strict=True) if note}
        removed = 0
        for path in self._shards.iterdir():
            if path.name not in there:
                removed += path.suffix == ".tar"
                path.unlink()
        for path in self._notes.glob("*"):
            if path.name.removesuffix(".json") not in there:
                path.unlink()
        if removed:
            print(
                f"{self._folder}: {removed} finished shards of a call that was stopped are not "
                "used, as they are damaged or of something else: they are written anew",
                file=sys.stderr,
            )
        if there:
            print(f"{self._folder}: {len(there)} of {len(names)} shards are finished already")
        return notes

    def _read(self, name, origin, checked):
        try:
            values = parse_json((self._notes / f"{name}.json").read_bytes())
            check_type(values, Note)
            note = Note(**values)
            note.audio()
            same = (note.origin, note.checked) == (origin, checked)
            return note if same and self._is_whole(name, note) else None
        except (OSError, ValueError, KeyError, TypeError, RecipeError):
            return None

    def _is_whole(self, name, note):
        path, checksum = self._shards / name, 0
        if path.stat().st_size != note.bytes:
            return False
        with open(path, "rb") as file:
            while block := file.read(BLOCK):
                checksum = zlib.crc32(block, checksum)
        return checksum == note.checksum

    def remove(self, name: str) -> None:
        """Remove a finished shard, its note first."""
        (self._notes / f"{name}.json").unlink()
        (self._shards / name).unlink()

    def keep(self, name: str, note: Note) -> None:
        """Write the note of a shard, once it is on the disk."""
        with atomic_file(self._notes / f"{name}.json") as fout:
            json.dump(asdict(note), fout)

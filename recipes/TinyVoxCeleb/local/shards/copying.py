"""Copy one shard to a disk: read it back, check it, and write the note that names its source."""

import errno
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from local.errors import RecipeError
from local.files import atomic_file
from local.shards.addresses import public
from local.shards.archives import DAMAGED, read_members
from local.shards.complete import size_of
from local.shards.sources import open_shard, open_stored, stamp_of, unpack
from local.stored import parse_json

READ_AT_ONCE = 1 << 20  # bytes


def note_of(copy: Path) -> Path:
    """The file beside a copy, or a folder of copies, that tells what it is a copy of."""
    return copy.with_name(f".{copy.name}.json")


def read_note(copy: Path) -> dict | None:
    """What the note beside a copy, or a folder of copies, tells; None if it is absent or damaged.

    Of one that is damaged a little, values may be missing, or of any type.
    """
    note = note_of(copy)
    try:
        values = parse_json(note.read_bytes()) if note.is_file() else None
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None


@dataclass(frozen=True)
class Copy:
    """The copy of a shard, and a note beside it of what it is a copy of."""

    shard: Path | str | None  # None where only a note of the folder tells of it
    place: Path
    version: str | None  # the stamp of the shard that is meant; None for whichever

    def is_complete(self) -> bool:
        """Whether the copy is there, of this version, and as it was written."""
        try:
            note = read_note(self.place) or {}
            found = (note.get("version"), note.get("copy"))
            return self.version is not None and found == (self.version, stamp_of(self.place))
        except (OSError, ValueError, RecipeError):
            return False

    def _write_note(self, digest=None):
        """Tell that a copy comes here; once it is there, tell its SHA-256."""
        copy = stamp_of(self.place) if digest else None
        source = public(self.shard)
        values = {"source": source, "version": self.version, "copy": copy, "sha256": digest}
        with atomic_file(note_of(self.place)) as fout:
            json.dump(values, fout)

    @property
    def size(self) -> int | None:
        """The bytes that are to be read, where that is known."""
        return size_of(self.version)

    def make(self, progress: Callable[[int], object], *, unpacked: bool) -> None:
        """Copy the shard, check that the copy is a whole archive, and write the note."""
        self._write_note()
        open_source = open_shard if unpacked else open_stored
        with open_source(self.shard, self.version) as source:
            digest = copy_verified(source, self.place, progress)
        try:
            self._check_archive()
            if stamp_of(self.shard) != (self.version or ""):
                raise RecipeError(
                    f"{public(self.shard)}: changed while it was copied; run the command again"
                )
        except RecipeError:
            self.place.unlink(missing_ok=True)
            raise
        self._write_note(digest)

    def _check_archive(self):
        try:
            with unpack(open_stored(self.place), self.shard) as file:
                for _ in read_members(file):
                    pass
        except DAMAGED as error:
            raise RecipeError(
                f"{public(self.shard)}: truncated or damaged archive ({error}); mend it there"
            ) from None


def copy_verified(source: BinaryIO, target: Path, progress: Callable[[int], object]) -> str:
    """Write what a file gives and read it back; it appears under its name only if both agree.

    Returns its SHA-256 in hexadecimal. `progress` gets the number of bytes after each piece.
    """
    digest, size = hashlib.sha256(), 0
    try:
        with atomic_file(target, "wb") as fout:
            while chunk := source.read(READ_AT_ONCE):
                fout.write(chunk)
                digest.update(chunk)
                size += len(chunk)
                progress(len(chunk))
            fout.flush()
            os.fsync(fout.fileno())
            # From the disk: not from the memory that the system keeps it in.
            os.posix_fadvise(fout.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            with open(fout.name, "rb") as file:
                written = hashlib.file_digest(file, "sha256").hexdigest()
            if written != digest.hexdigest():
                raise RecipeError(
                    f"{target}: the disk holds another content than was written (SHA-256 "
                    f"{written[:12]}… instead of {digest.hexdigest()[:12]}…); use another disk"
                )
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RecipeError(
                f"{target}: the disk is full after {size:,} bytes of it; make room, or choose "
                "another folder"
            ) from None
        raise RecipeError(f"{target}: cannot be written ({error.strerror or error})") from None
    return written

"""Where the audio of an utterance lies: in a file, or in a zip archive."""

import contextlib
import os
from collections.abc import Iterator
from typing import NamedTuple

from local.shards.zips import Member, read_member

KEPT = (".wav", ".flac")  # what goes into shards as it is, if it is mono at 16 kHz
UNPACKED = 4  # times the bytes of other audio are about those of its samples


class Utterance(NamedTuple):
    """An utterance, and where its audio lies; a path may go through a zip archive."""

    id: str
    path: str
    size: int  # bytes of the audio file; 0 where it cannot be read, which is told then
    member: Member | None = None

    @property
    def suffix(self) -> str:
        """The ending of the file, with its point, in lower case."""
        return os.path.splitext(self.path)[1].lower()

    @property
    def speaker(self) -> str:
        """The first part of the id."""
        return self.id.partition("/")[0]

    @property
    def weight(self) -> int:
        """About the bytes that the audio has in memory, and in a shard."""
        return self.size if self.suffix in KEPT else self.size * UNPACKED

    def read(self) -> bytes:
        """The audio file; an OSError, or a RecipeError about an archive, where that fails."""
        if self.member:
            return read_member(self.member)
        with open(self.path, "rb") as file:
            return file.read()

    @contextlib.contextmanager
    def opened_by(self, encoded: bytes | None = None) -> Iterator[str]:
        """A path that decoders can open, which is done without Python for each piece.

        Of a file in an archive it is one in memory, with `encoded`, which has been read.
        """
        if not self.member:
            yield self.path
            return
        encoded = self.read() if encoded is None else encoded
        with open(os.memfd_create("audio"), "wb") as file:
            file.write(encoded)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"

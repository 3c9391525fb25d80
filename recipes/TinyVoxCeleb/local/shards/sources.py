"""Shards, wherever they are: see whether they have changed, and open them for reading."""

import gzip
import io
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from local.errors import RecipeError
from local.shards.addresses import is_pipe, public
from local.shards.kinds import GZIP, HEAD, is_packed
from local.shards.remote import open_remote, remote_stamp

AT_ONCE = 16  # questions to a server
SKIPPED_AT_ONCE = 1 << 20  # bytes


def stamp_of(shard: Path | str) -> str:
    """A text that differs once a shard has changed, found without reading it.

    It begins with the size in bytes, where that is known. Of a command, whose output nobody
    knows, it is "". A shard that is not there, or may not be read, is a RecipeError.
    """
    if is_pipe(shard):
        return ""
    if isinstance(shard, str):
        return remote_stamp(shard)
    try:
        state = shard.stat()
    except OSError as error:
        raise RecipeError(f"{shard}: cannot be read ({error.strerror})") from None
    return f"{state.st_size} {state.st_mtime_ns}"


def stamps_of(shards: Iterable[Path | str]) -> list[str]:
    """The stamp of each shard, see `stamp_of`; a server is asked for several at a time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(stamp_of, shards))


def can_be_mapped(shard: Path | str) -> bool:
    """Whether any place of a shard can be read at once: a local archive that is not packed."""
    if not isinstance(shard, Path):
        return False
    with open_stored(shard) as file:
        return not is_packed(file.read(HEAD), str(shard))


def open_shard(shard: Path | str, stamp: str | None = None) -> BinaryIO:
    """Open a shard to read its archive once, from start to end, unpacked where it is packed.

    Its reads raise a RecipeError in one line: the shard, what happened, what to do. With a stamp,
    no other version is read than the one that had it.
    """
    return unpack(open_stored(shard, stamp), shard)


def unpack(opened: io.BufferedReader, shard: Path | str) -> BinaryIO:
    """What is stored, or what it unpacks to; messages name `shard` as where it comes from."""
    try:
        packed = is_packed(opened.peek(HEAD), public(shard))
        return _Unpacked(opened, shard) if packed else opened
    except BaseException:
        opened.close()
        raise


def open_stored(shard: Path | str, stamp: str | None = None) -> io.BufferedReader:
    """The same as `open_shard` without unpacking: the bytes as they are stored."""
    if is_pipe(shard):
        return io.BufferedReader(_Output(shard), 1 << 20)
    if isinstance(shard, str):
        return open_remote(shard, stamp)
    if stamp is not None and stamp_of(shard) != stamp:
        raise RecipeError(f"{shard}: has changed meanwhile; run the command again")
    if not shard.is_file() and shard.exists():  # a pipe would be waited for
        raise RecipeError(f"{shard}: cannot be read: expected a file; remove it, or copy it again")
    try:
        return open(shard, "rb")
    except OSError as error:
        raise RecipeError(f"{shard}: cannot be read ({error.strerror})") from None


def read_to_the_end(file: BinaryIO) -> None:
    """Read what is left of a stream, at whose end stand a checksum or a command's exit code."""
    while file.read(1 << 20):
        pass


def skip_to(file: BinaryIO, place: int, here: int) -> None:
    """Go on to a place of a stream that is read at another before; no further than to its end."""
    if file.seekable() and not isinstance(file, gzip.GzipFile):
        file.seek(place)
        return
    while here < place and (skipped := len(file.read(min(place - here, SKIPPED_AT_ONCE)))):
        here += skipped


class _Unpacked(gzip.GzipFile):
    """What a packed archive unpacks to; says which one is damaged."""

    def __init__(self, packed, shard):
        super().__init__(fileobj=packed, mode="rb")
        self.packed = packed
        self.shard = shard
        if self._guarded(self.peek, len(GZIP)).startswith(GZIP):
            raise RecipeError(f"{public(shard)}: packed with gzip twice: unpack it once (gunzip)")

    def read(self, size=-1):
        return self._guarded(super().read, size)

    def _guarded(self, read, size):
        try:
            return read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise RecipeError(
                f"{public(self.shard)}: truncated or damaged archive ({error}); copy it again"
            ) from None

    def close(self):
        super().close()
        self.packed.close()


class _Output(io.RawIOBase):
    """What a command writes; an error at its end if the command has failed.

    Closed before its end it leaves the command to notice, as `command | head` does.
    """

    def __init__(self, source):
        from webdataset.gopen import gopen  # takes a second, as torch comes along

        self.source = source
        self.pipe = gopen(source, "rb")

    def readable(self):
        return True

    def readinto(self, buffer):
        count = self.pipe.stream.readinto(buffer)
        if not count and (status := self.pipe.proc.wait()):
            raise RecipeError(
                f"{self.source}: the command has failed with exit code {status}; what it said "
                "stands above, if anything"
            )
        return count

    def close(self):
        if not self.closed:
            self.pipe.ignore_errors = True
            self.pipe.close()
        super().close()

"""The members of an archive, to its real end.

`tarfile` takes a damaged header for the end of an archive, and believes whatever size it reads.
"""

import io
import tarfile
from collections.abc import Iterator
from typing import BinaryIO

from local.shards.sources import read_to_the_end, skip_to

MOST = 1 << 16  # bytes of a JSON, or of what a header has to add: a long name, say
# What tarfile raises for an archive that is damaged; beside its own, those of numbers and texts in
# headers that are none.
DAMAGED = (tarfile.TarError, EOFError, OSError, ValueError, OverflowError)


def read_members(file: BinaryIO) -> Iterator[tuple[tarfile.TarInfo, BinaryIO]]:
    """The files of an archive, each with its content, which is to be read before the next.

    The archive is read from start to end, and need not be seekable.

    Raises
    ------
    TarError, EOFError, OSError, ValueError, OverflowError
        `DAMAGED`: it is truncated, a header is damaged, or there is more behind its end. A member
        raises them too when it is read.
    """
    stream = _Forward(file)
    with tarfile.open(fileobj=stream, mode="r:") as archive:
        member = archive.firstmember
        while member is not None:
            archive.members = []  # which tarfile would keep, 1 KB each
            if member.isreg():
                yield member, archive.extractfile(member)
            stream.seek(archive.offset)
            member = _next_member(archive)
    zeros = 0
    while block := file.read(io.DEFAULT_BUFFER_SIZE):
        if block.strip(b"\0"):
            raise tarfile.ReadError("there is more behind its end, or a header is lost")
        zeros += len(block)
    if zeros > tarfile.RECORDSIZE:  # to whose multiple tar fills an archive
        raise tarfile.ReadError(f"{zeros:,} zeros behind its end, as a copy leaves that was cut")
    read_to_the_end(file)


def _next_member(archive):
    try:
        return tarfile.TarInfo.fromtarfile(archive)
    except tarfile.EOFHeaderError:  # a block of zeros
        return None
    except tarfile.EmptyHeaderError:
        raise tarfile.ReadError("its end is missing") from None


class _Forward:
    """A file as tarfile needs it, for going forward in small steps."""

    def __init__(self, file):
        self.file = file
        self.place = 0

    def tell(self):
        return self.place

    def seek(self, place):
        if place < self.place:
            raise tarfile.ReadError("a member is said to have a size below 0")
        skip_to(self.file, place, self.place)
        self.place = place

    def read(self, size):
        if size > MOST:
            raise tarfile.ReadError(f"a JSON or a name is said to have {size:,} bytes")
        content = self.file.read(size)
        self.place += len(content)
        return content

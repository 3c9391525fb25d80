"""Audio files within zip archives: found by one pass over an archive's directory, read by seeking.

An archive may hold a million files: of each only numbers are kept.
"""

import os
import zipfile
from collections.abc import Callable, Mapping
from typing import NamedTuple

from local.corpora.zip_directory import DAMAGED, START, read_directory
from local.errors import RecipeError

ENDING = ".zip"
KINDS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
ENCRYPTED = 1  # a flag
HEAD = 30  # bytes before the name of a member, where it lies


class Member(NamedTuple):
    """Where in an archive a file lies, and how it is packed there."""

    archive: str
    offset: int
    packed: int  # bytes there
    size: int  # bytes of the file
    kind: int  # of packing
    checksum: int  # CRC-32


def split_archive(path: str, known: dict[str, bool]) -> tuple[str, str]:
    """A path that goes through an archive, as the archive and the name in it; else the path and "".

    `known` keeps which paths are archives.

    Example
    -------
    >>> split_archive("/data/vox.zip/wav/a/b/1.wav", {"/data/vox.zip": True})
    ('/data/vox.zip', 'wav/a/b/1.wav')
    """
    place, lower = 0, path.lower()
    while (place := lower.find(ENDING + "/", place)) >= 0:
        place += len(ENDING)
        archive = path[:place]
        if archive not in known:
            known[archive] = os.path.isfile(archive)
        if known[archive]:
            return archive, path[place + 1 :]
    return path, ""


def find_members(
    archive: str, wanted: Mapping[str, int], found: Callable[[int, Member], None]
) -> None:
    """Go through the directory of an archive once, and tell of each file that is wanted.

    Raises
    ------
    RecipeError
        The archive is damaged, or cut off: its directory stands at its end; a file there has a
        password, or is packed in a way that is not known.
    """

    def take(info):
        row = wanted.get(info.filename)
        if row is None:
            return
        if info.flag_bits & ENCRYPTED or info.compress_type not in KINDS:
            what = "needs a password" if info.flag_bits & ENCRYPTED else "is packed in an odd way"
            raise RecipeError(f"{archive}: {info.filename} {what}: unpack the archive")
        numbers = info.header_offset, info.compress_size, info.file_size, info.compress_type
        found(row, Member(archive, *numbers, info.CRC))

    try:
        read_directory(archive, take)
    except (*DAMAGED, OSError) as error:
        raise RecipeError(
            f"{archive}: no whole zip archive ({getattr(error, 'strerror', None) or error}): "
            "download it again, or join all of its parts"
        ) from None


def read_member(member: Member) -> bytes:
    """Unpack a file, and compare it with its checksum.

    Raises
    ------
    RecipeError
        The archive is damaged there, cut off, or has changed since its directory was read.
    """
    try:
        with open(member.archive, "rb") as file:
            file.seek(member.offset)
            head = file.read(HEAD)
            if not head.startswith(START) or len(head) < HEAD:
                raise zipfile.BadZipFile("no file begins there")
            lengths = int.from_bytes(head[26:28], "little"), int.from_bytes(head[28:30], "little")
            file.seek(sum(lengths), os.SEEK_CUR)
            info = zipfile.ZipInfo()
            info.compress_type, info.compress_size = member.kind, member.packed
            info.file_size, info.CRC = member.size, member.checksum
            with zipfile.ZipExtFile(file, "r", info) as packed:
                content = packed.read()
        if len(content) != member.size:
            raise EOFError("it ends too early")
    except (*DAMAGED, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "it ends too early"
        reason = reason.removesuffix(f" for file {zipfile.ZipInfo().filename!r}")
        raise RecipeError(
            f"the zip archive is damaged there ({reason}): download it again"
        ) from None
    return content

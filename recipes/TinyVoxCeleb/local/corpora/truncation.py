"""Whether an audio file ends too early, by what its own bytes tell of its length.

A copy of this file lies in each inference bundle, so it imports nothing of the recipe.
"""

import mmap
import struct
from pathlib import Path

UNKNOWN_SIZE = 0x7FFFF000  # from here on, bytes that a pipe's WAV promises mean nothing
PAGE, LAST_PAGE = b"OggS", 4  # what each page of an OGG file begins with; the flag of the last one
PAGE_HEADER = 27  # bytes before the table of segments, see RFC 3533, section 6


def truncation(content: bytes | mmap.mmap) -> str:
    """How a WAV or OGG file is cut off, "" if it is not, or of another kind.

    Example
    -------
    >>> truncation(b"RIFF\\0\\0\\0\\0WAVEdata\\x08\\0\\0\\0" + b"\\1" * 6)
    'truncated: 2 of the bytes that its header tells are missing'
    """
    if content[:4] == PAGE:
        return _cut_stream(content)
    begin, size = data_chunk(content)
    missing = begin + size - len(content)
    if missing <= 0 or size >= UNKNOWN_SIZE:
        return ""
    return f"truncated: {missing:,} of the bytes that its header tells are missing"


def truncation_of(path: str | Path) -> str:
    """The same for a file that is not empty, of which little is read."""
    with open(path, "rb") as fin, mmap.mmap(fin.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return truncation(content)


def data_chunk(content: bytes | mmap.mmap) -> tuple[int, int]:
    """Where the samples of a WAV file begin, and how many bytes its header tells; else 0, 0."""
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        return 0, 0
    place = 12
    while place + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, place)
        place += 8
        if name == b"data":
            return place, size
        place += size + size % 2
    return 0, 0


def _cut_stream(content):
    """A decoder takes what is there for all: it is the last page that tells the end."""
    place = len(content)
    while (place := content.rfind(PAGE, 0, place)) >= 0:
        header = content[place : place + PAGE_HEADER]
        if len(header) < PAGE_HEADER:
            break
        table = content[place + PAGE_HEADER : place + PAGE_HEADER + header[-1]]
        if header[4] == 0:  # the version: else these letters are a part of the audio
            whole = place + PAGE_HEADER + header[-1] + sum(table) <= len(content)
            if header[5] & LAST_PAGE and len(table) == header[-1] and whole:
                return ""
            break
    return "truncated: the last page of its OGG stream is missing or cut"

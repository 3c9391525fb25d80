"""Whether more audio follows in a file than its header tells, as no decoder reads it then.

A copy of this file lies in each inference bundle, so it imports nothing of the recipe.
"""

import contextlib
import io
import mmap
import re
import struct
from pathlib import Path

import soundfile as sf

KINDS = {b"RIFF": ("<I", b"data"), b"RIFX": (">I", b"data"), b"FORM": (">I", b"SSND")}
CHUNK = re.compile(rb"(?!RIFF|FORM|RIFX|RF64)(\w[\w ]{3})(.{4})", re.S)
UNKNOWN_SIZE = 0x7FFFF000  # from here on, bytes that a pipe's WAV promises mean nothing
TAGS = (b"TAG", b"ID3", b"APETAGEX", b"LYRICSBEGIN")  # of music players, at the end of any file
FEW = 256  # bytes, 8 ms of plain speech: what is not longer nobody misses
FLAC_BEGIN = re.compile(rb"fLaC[\0\x80]\0\0\x22")  # with the head of STREAMINFO
MAX_FRAMES = 1 << 36  # what a FLAC header can tell
BLOCK = 1 << 18  # audio samples
FEWER = "its header tells of fewer samples than follow"


def surplus(content: bytes | mmap.mmap) -> str:
    """What follows the samples of WAV, AIFF, AU and FLAC of which the header tells; "" for nothing.

    Chunks, tags and zeros, which often do, are no audio.

    Example
    -------
    >>> surplus(b"RIFF\\0\\0\\0\\0WAVEdata\\x08\\0\\0\\0" + b"\\1" * 2000)
    'its header tells of fewer samples than follow: 1,992 bytes are left out'
    """
    if content[:4] == b"fLaC":
        return _further_frames(content)
    rest = content[_end(content) :].strip(b"\0")
    if len(rest) <= FEW or rest.startswith(TAGS):
        return ""
    return f"{FEWER}: {len(rest):,} bytes are left out"


def surplus_of(path: str | Path) -> str:
    """The same for a file that is not empty."""
    with open(path, "rb") as fin, mmap.mmap(fin.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return surplus(content)


def _end(content):
    """Where the samples and chunks end of which a file tells; its own end, where nothing does."""
    if content[:4] == b".snd" and len(content) > 12:
        begin, size = struct.unpack_from(">II", content, 4)
        return begin + size if 0 < size < UNKNOWN_SIZE else len(content)
    order, samples = KINDS.get(content[:4], ("", b""))
    place, size, found = 12, 0, False
    # Not every program writes the byte that makes the length of a chunk even.
    while order and (
        chunk := CHUNK.match(content, place + size % 2) or CHUNK.match(content, place)
    ):
        (size,) = struct.unpack(order, chunk[2])
        if chunk[1] == samples:
            if found:
                break
            found = True
            if not 0 < size < UNKNOWN_SIZE:
                return len(content)
        place = chunk.end() + size
    return place if found else len(content)


def _further_frames(content):
    """The last frame of FLAC tells where it stands; whether it is one, decoding tells.

    See RFC 9639, sections 8.2 and 9.1.
    """
    told = int.from_bytes(content[18:26], "big") % MAX_FRAMES
    if told and FLAC_BEGIN.search(content, 4):
        return f"{FEWER}: another FLAC file follows the first"
    first = 4
    while (header := content[first : first + 4])[:1] < b"\x80" and len(header) == 4:
        first += 4 + int.from_bytes(header[1:], "big")
    first += 4 + int.from_bytes(header[1:], "big")
    sync, place = content[first : first + 2], len(content)
    while told and len(sync) == 2 and (place := content.rfind(sync, first, place)) >= first:
        end = _frame_end(content[place : place + 16], int.from_bytes(content[10:12], "big"))
        if end > told:
            found = _count(content, end)
            return f"{FEWER}: {found - told:,} samples are left out" if found > told else ""
        if end:
            break
    return ""


def _frame_end(header, block):
    """The number of the first sample after a frame with this header; 0 if it is none."""
    if len(header) < 16 or header[4] in range(0x80, 0xC0) or header[4] == 0xFF:
        return 0
    length = max(1, 8 - (header[4] ^ 0xFF).bit_length())  # as of a character in UTF-8
    size, rate, after = header[2] >> 4, header[2] & 15, 4 + length
    checksum = after + {6: 1, 7: 2}.get(size, 0) + {12: 1, 13: 2, 14: 2}.get(rate, 0)
    if _crc8(header[:checksum]) != header[checksum]:
        return 0
    number = header[4] & (0x7F >> length if length > 1 else 0x7F)
    for byte in header[5:after]:
        number = number << 6 | byte & 0x3F
    if not header[1] & 1:  # frames of one length are numbered, others tell their first sample
        number *= block
    if size in (6, 7):
        return number + int.from_bytes(header[after : after + size - 5], "big") + 1
    return number + (192 if size == 1 else 576 << size - 2 if size < 6 else 256 << size - 8)


def _crc8(header):
    value = 0
    for byte in header:
        value ^= byte
        for _ in range(8):
            value = value << 1 ^ (0x107 if value & 0x80 else 0)
    return value


def _count(content, told):
    """How many samples can be decoded where a header tells of so many."""
    file, count = io.BytesIO(content), 0
    rest = int.from_bytes(content[18:26], "big") // MAX_FRAMES * MAX_FRAMES
    file.getbuffer()[18:26] = (rest + told).to_bytes(8, "big")
    with contextlib.suppress(sf.SoundFileError), sf.SoundFile(file) as audio:
        while found := len(audio.read(BLOCK, dtype="int16", always_2d=True)):
            count += found
    return count

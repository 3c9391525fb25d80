"""Whether an audio file ends too early, by what its own bytes tell of its length.

A copy of this file lies in each inference bundle, so it imports nothing of the recipe.
"""

import io
import mmap
import re
import struct
import zlib
from pathlib import Path

import soundfile as sf

UNKNOWN_SIZE = 0x7FFFF000  # from here on, bytes that a pipe's WAV promises mean nothing
PAGE = b"OggS"  # what each page of an OGG file begins with
FIRST_PAGE, LAST_PAGE = 2, 4  # flags
TURNED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
PAGE_HEADER = 27  # bytes before the table of segments, see RFC 3533, section 6
TOLD_HERE = (b"RIFF", b"fLaC", b"ID3", b"\xff")  # WAV, FLAC, MP3, whose lengths are known here
# Of the log of libsndfile.
SHORTENED = re.compile(
    r"^ *(?:Data (?:Size|length)|Riff size|(?!size)\w{4}) *:? (\d+) \(?should be (\d+)", re.M
)
CUT = re.compile(r"[Ff]ile seems to be truncated|Seems to be a truncated file")
FRAMES = re.compile(r"(?:^\s*(?:Valid )?[Ff]rames|Cols|sample_count -i) *:? *(\d+)", re.M)
MIDI, MIDI_BLOCK = b"\xf0\x7e", 60  # samples, as libsndfile knows of them by blocks only


def truncation(content: bytes | mmap.mmap) -> str:
    """How an audio file is cut off; "" if it is not, or does not tell.

    Example
    -------
    >>> truncation(b"RIFF\\0\\0\\0\\0WAVEdata\\x08\\0\\0\\0" + b"\\1" * 6)
    'truncated: 2 of the bytes that its header tells are missing'
    """
    if content[:4] == PAGE:
        return _cut_stream(content)
    if not content[:4].startswith(TOLD_HERE):
        return _told_while_opened(content)
    begin, size = data_chunk(content)
    size = size or _mp3_size(content)
    missing = begin + size - len(content)
    return _missing(missing, "bytes") if missing > 0 and size < UNKNOWN_SIZE else ""


def truncation_of(path: str | Path) -> str:
    """The same for a file that is not empty, of which little is read."""
    with open(path, "rb") as fin, mmap.mmap(fin.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return truncation(content)


def fault_of(path: str | Path) -> str:
    """How a file that is not empty is cut off or, where it is OGG, damaged; all of that is read."""
    with open(path, "rb") as fin, mmap.mmap(fin.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return truncation(content) or (_spoilt_stream(content) if content[:4] == PAGE else "")


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


def _mp3_size(content):
    """Bytes that the tag in the first frame of MP3 tells of the whole, 0 where there is none."""
    head, begin = content[:4096], 0
    if head[:3] == b"ID3" and len(head) > 10:
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        begin, head = size + 10, content[size + 10 : size + 4106]
    tag = next((place for name in (b"Xing", b"Info") if 0 <= (place := head.find(name)) < 64), 0)
    if len(head) < tag + 16 or not tag or head[0] != 0xFF or not head[tag + 7] & 2:
        return 0
    after = tag + 8 + 4 * (head[tag + 7] & 1)
    return begin + int.from_bytes(head[after : after + 4], "big") * 99 // 100  # few count exactly


def _told_while_opened(content):
    """What libsndfile notes of any format: a length that it finds to be another, or frames.

    It takes what is there for all, and tells of it only in its log; of SPHERE not even there.
    """
    try:
        with sf.SoundFile(io.BytesIO(content)) as audio:  # which may go beyond the end; mmap not
            frames, log = audio.frames, audio.extra_info
    except (sf.SoundFileError, TypeError):  # told where it is read
        return ""
    if content[:7] == b"NIST_1A":
        log = content[:1024].decode("latin-1")
    missing = max((int(told) - int(found) for told, found in SHORTENED.findall(log)), default=0)
    if 1 < missing < UNKNOWN_SIZE:  # one may be the byte that makes a length even
        return _missing(missing, "bytes")
    told = int((FRAMES.findall(log) or ["0"])[-1])
    if told < UNKNOWN_SIZE and told > frames + MIDI_BLOCK * (content[:2] == MIDI):
        return _missing(told - frames, "samples")
    return "truncated: it ends before its header tells" if CUT.search(log) else ""


def _missing(count, what):
    return f"truncated: {count:,} of the {what} that its header tells are missing"


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


def _spoilt_stream(content):
    """A decoder takes what is there for all, and leaves out what is damaged: each page is checked.

    A page tells the number before it in its stream, and a checksum.
    """
    place, numbers, last = 0, {}, False  # or the last number of each stream
    while content[place : place + 4] == PAGE:
        header = content[place : place + PAGE_HEADER]
        if len(header) < PAGE_HEADER:
            break
        begin = place + PAGE_HEADER + header[-1]
        table = content[place + PAGE_HEADER : begin]
        page = content[place : begin + sum(table)]
        stream, number, told = struct.unpack_from("<III", header, 14)
        if len(table) < header[-1] or len(page) < PAGE_HEADER + len(table) + sum(table):
            break
        missed = not header[5] & FIRST_PAGE and number != numbers.get(stream, number - 1) + 1
        if missed or told != _ogg_checksum(page):
            return f"damaged: at byte {place:,} of its OGG stream"
        numbers[stream], last = number, bool(header[5] & LAST_PAGE)
        place += len(page)
    return "" if last else f"damaged: at byte {place:,} of its OGG stream"


def _ogg_checksum(page):
    """The CRC32 of a page: zlib's with all bits turned round, and without what it adds."""
    blank = page[:22] + bytes(4) + page[26:]
    checksum = zlib.crc32(blank.translate(TURNED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{checksum:032b}"[::-1], 2)

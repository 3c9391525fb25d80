"""Files of this project as they are found again: read with care, as they may be damaged."""

import codecs
import errno
import json
import os
import re
import struct
import tokenize
import types
import typing
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from local.errors import RecipeError

# Raised for arrays in files that are cut off, altered (a bit may mean a password), or others.
UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
LARGEST = 1 << 53  # of numbers in JSON
SHOWN = 60  # characters of a value that a message repeats
MARKS = {  # UTF-32 first: its mark begins as that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}
PACKED = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
PACKED |= {b"\x28\xb5\x2f\xfd": "zstd", b"7z\xbc\xaf": "7z", b"Rar!": "rar"}
BINARY = {  # what a file begins with that is neither text nor, by itself, packed
    rb"(RIFF|RF64)....WAVE|riff\x2e\x91": "a WAV file",
    rb"fLaC[\0\x80]": "a FLAC file",
    rb"OggS\0": "an OGG file",
    rb"ID3[\2-\4]|\xff[\xe2\xe3\xf2\xf3\xfa\xfb]": "an MP3 file",
    rb"NIST_1A\n": "a SPHERE file",
    rb"FORM....AIF|\.snd\0|.{4}ftyp|caff\0": "an audio file",
    rb"\x93NUMPY|PK\x03\x04.{26}[^/]*\.npy": "a file of NumPy arrays",
    rb"PK\x03\x04.{26}[^\n]*/data\.pkl": "a file that torch has written",
    rb".{257}ustar[ \0]": "a tar archive",
    rb"%PDF-": "a PDF document",
    rb"\x89PNG|\xff\xd8\xff|GIF8[79]a": "a picture",
}
SHEETS = rb"\xd0\xcf\x11\xe0|PK\x03\x04(?s:.*)(\[Content_Types\]|opendocument)"
TEXTS = {  # what a file of text begins with that is no list, table or archive
    rb"version https://git-lfs": "a pointer of Git LFS: fetch the file with `git lfs pull`",
    rb"\{|\[\s*([\[{\"\d]|$)": "JSON",
    rb"<[!?a-z]|404\b.*not found": "a page or message of a web server, such as a login",
}
ODD = 0.05  # share of control characters from which on bytes are no text; by chance, 0.1 are
UTF_8 = "utf-8"


def text_kind(start: bytes) -> str | None:
    """What a file is that begins so, where it is one of the texts that take another's place."""
    text = start.removeprefix(codecs.BOM_UTF8).lstrip()
    return next((kind for begin, kind in TEXTS.items() if re.match(begin, text, re.I)), None)


def binary_kind(start: bytes) -> str | None:
    """What a file of no text is that begins so; None where it may be text, or is packed."""
    found = (kind for begin, kind in BINARY.items() if re.match(begin, start, re.S))
    if (kind := next(found, None)) or start.startswith((*PACKED, *MARKS)):
        return kind
    line = start.partition(b"\n")[0]  # a later one may be damaged in a list that is one
    odd = len(re.findall(rb"[\0-\x08\x0e-\x1f\x7f]", line))
    most = max(2, ODD * len(line)) if line.decode(errors="ignore").encode() == line else 0
    return "a binary file" if odd > most and _encoding(start) == UTF_8 else None


def check_file(path: str | Path, kind: str) -> None:
    """Check that there is a file, which `kind` names; a folder, or nothing, is a RecipeError."""
    if Path(path).is_dir():
        raise RecipeError(f"{path}: a folder, not a {kind}: name the file")
    if not Path(path).is_file():
        raise RecipeError(f"{path}: no such {kind}")


def read_lines(path: str | Path, kind: str) -> Iterator[str]:
    """Yield the lines of a text file in UTF-8, UTF-16 or UTF-32, with or without their mark.

    Bytes that are not UTF-8 stay what they are, as names of files may hold them.

    Raises
    ------
    RecipeError
        No such file, where `kind` names what it should be; one that is packed, or of another kind;
        damaged UTF-16.
    """
    check_file(path, kind)
    with open(path, "rb") as fin:
        start = fin.read(4096)
    if re.match(SHEETS, start):
        raise RecipeError(f"{path}: a spreadsheet, where a {kind} is expected: save it as CSV")
    if found := binary_kind(start):
        raise RecipeError(f"{path}: is {found}, expected a {kind}; name that instead")
    for magic, packer in PACKED.items():
        if start.startswith(magic):
            raise RecipeError(f"{path}: packed by {packer}: unpack the {kind} first")
    if found := text_kind(start):
        raise RecipeError(f"{path}: no {kind}, but {found}; copy it again")
    encoding = _encoding(start)
    errors = "surrogateescape" if encoding.startswith("utf-8") else "strict"
    try:
        with open(path, encoding=encoding, errors=errors) as fin:
            yield from fin
    except UnicodeError as error:
        raise RecipeError(
            f"{path}: not the {encoding.upper()} that it begins as ({error.reason} at byte "
            f"{error.start}): the {kind} is damaged; save it as UTF-8"
        ) from None


def _encoding(start):
    for mark, encoding in MARKS.items():
        if start.startswith(mark):
            return encoding
    # Without a mark, UTF-16 and UTF-32 show in their zeros: the high bytes of all that is Latin.
    zeros = [start[place::4].count(0) for place in range(4)]
    first, second = zeros[0] + zeros[2], zeros[1] + zeros[3]
    if sum(zeros) * 8 > 5 * len(start) >= 20 and min(zeros[0], zeros[3]) * 8 < len(start):
        return "utf-32-be" if zeros[0] > zeros[3] else "utf-32-le"
    if abs(first - second) * 4 > len(start):
        return "utf-16-be" if first > second else "utf-16-le"
    return UTF_8


def is_damaged(path: str | Path) -> bool:
    """Whether a file is missing, empty, has zeros in its text, or is a zip archive that is damaged.

    Torch's files are such archives. One that cannot be read, for now perhaps, is an OSError.
    """
    if not Path(path).exists():
        return True
    with open(path, "rb") as fin:
        if fin.read(2) != b"PK":
            fin.seek(0)
            content = fin.read()
            return not content.strip() or b"\0" in content
        try:
            with zipfile.ZipFile(fin) as archive:
                return archive.testzip() is not None
        except (*UNREADABLE, struct.error) as error:
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
                raise  # a disk that cannot be reached, say: it tells nothing of the file
            return True


def parse_json(text: str | bytes):
    """What a JSON text holds; for any that is damaged a ValueError."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("too many brackets in each other") from None


def check_type(value, kind, key: str = "") -> None:
    """Check what JSON has under a key against a type: a dataclass, a TypedDict, or built of these.

    Texts are to be usable as paths, numbers finite, and whole ones not negative.

    Raises
    ------
    ValueError
        Another type, with the key, in full.
    KeyError
        A key that is missing.

    Example
    -------
    >>> check_type({"a": [1, None]}, dict[str, list[int | None]])
    >>> check_type({"a": [1, "x"]}, dict[str, list[int | None]])
    Traceback (most recent call last):
    ValueError: a.1 is "x": expected a whole number from 0
    """
    plain, inner = typing.get_origin(kind) or kind, typing.get_args(kind)
    if plain is types.UnionType:
        if value is not None:
            check_type(value, inner[0], key)
        return
    hints = {} if plain.__module__ == "builtins" else typing.get_type_hints(plain)
    expected, is_right = JSON_TYPES[dict if hints else plain]
    if not is_right(value):
        found = json.dumps(value)[:SHOWN]
        raise ValueError(f"{key or 'the whole'} is {found}: expected {expected}")
    # What has a default in a dataclass is a key that earlier versions did not write.
    needed = getattr(
        plain, "__required_keys__", [name for name in hints if not hasattr(plain, name)]
    )
    for name in needed:
        if name not in value:
            raise KeyError(f"{key}.{name}".lstrip("."))
    if inner:
        pairs = value.items() if plain is dict else enumerate(value)
        below = [(name, each, inner[-1]) for name, each in pairs]
    else:
        below = [(name, value[name], hints[name]) for name in hints if name in value]
    for name, each, its_kind in below:
        check_type(each, its_kind, f"{key}.{name}".lstrip("."))


def _is_text(value):
    """Whether this may be the name of a file, as far as the system is concerned."""
    try:
        return isinstance(value, str) and b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        return False


def _is_number(value, kinds=int | float):
    return isinstance(value, kinds) and not isinstance(value, bool) and abs(value) < LARGEST


JSON_TYPES = {
    str: ("text", _is_text),
    bool: ("true or false", lambda value: isinstance(value, bool)),
    int: ("a whole number from 0", lambda value: _is_number(value, int) and value >= 0),
    float: ("a number", _is_number),
    list: ("a list", lambda value: isinstance(value, list)),
    dict: ("keys with values", lambda value: isinstance(value, dict)),
}

"""The lines of a trial or score list, whatever editor has saved it."""

import codecs
from collections.abc import Iterator
from pathlib import Path

from local.errors import RecipeError

MARKS = {  # UTF-32 first: its mark begins as that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}
PACKED = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
OTHERS = {  # by how a file begins, in small letters
    b"version https://git-lfs": "a pointer of git-lfs: fetch the file itself with git lfs pull",
    b"<!doctype html": "a web page: the download has failed",
    b"<html": "a web page: the download has failed",
    b"<?xml": "XML",
    b"{": "JSON",
    b"[": "JSON",
    b"%pdf": "PDF",
}
SHOWN = 200  # characters of a line or an id that a message repeats


def read_lines(path: str | Path, kind: str) -> Iterator[str]:
    """Yield the lines of a text file in UTF-8, UTF-16 or UTF-32, with or without their mark.

    Bytes that are not UTF-8 stay what they are, as names of files may hold them.

    Raises
    ------
    RecipeError
        No such file, where `kind` names what it should be; one that is packed, or something else
        by how it begins; damaged UTF-16.
    """
    path = Path(path)
    if not path.is_file():
        found = f"a folder, not a {kind}" if path.is_dir() else f"no such {kind}"
        raise RecipeError(f"{path}: {found}")
    with open(path, "rb") as fin:
        start = fin.read(4096)
    for magic, packer in PACKED.items():
        if start.startswith(magic):
            raise RecipeError(f"{path}: packed by {packer}: unpack the {kind} first")
    begin = start.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    for other, what in OTHERS.items():
        if begin.startswith(other):
            raise RecipeError(f"{path}: no {kind}, but {what}")
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
    # Without a mark, UTF-16 shows in its zeros: the high bytes of all that is Latin.
    first, second = (start[place::2].count(0) for place in (0, 1))
    if abs(first - second) * 4 > len(start):
        return "utf-16-be" if first > second else "utf-16-le"
    return "utf-8"


def brief(text: str) -> str:
    """A text without what is more of it than helps in a message."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def shown(line: str) -> str:
    """A line as messages quote it.

    Example
    -------
    >>> print(shown("1 a\\n"), len(shown("x" * 10**6)))
    '1 a' 203
    """
    return repr(brief(line.strip()))

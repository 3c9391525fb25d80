"""Files of this project as they are found again: read with care, as they may be damaged."""

import errno
import io
import json
import math
import os
import struct
import tokenize
import types
import typing
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

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
DENSEST = 1100  # bytes that a packed byte may stand for
HEADERS = {(n, 0): getattr(np.lib.format, f"read_array_header_{n}_0") for n in (1, 2)}


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
    for name in getattr(plain, "__required_keys__", hints):
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


def read_arrays(
    path: str | Path, names: Iterable[str], what: str = "another file"
) -> dict[str, np.ndarray]:
    """Some of the arrays that `numpy.savez` has written to a file.

    They are checked against the checksums in the file, and no memory is asked for that they do not
    fill, whatever their headers tell. `what` a file would be that has none of them is for messages.

    Raises
    ------
    RecipeError
        No such file; it is damaged, something else, or lacks one of them.
    """
    if not Path(path).is_file():
        raise RecipeError(f"{path}: no such file of arrays")
    try:
        with zipfile.ZipFile(path) as archive:
            return {name: _array(archive, f"{name}.npy") for name in names}
    except UNREADABLE as error:
        raise RecipeError(f"{path}: damaged, or {what} ({error}); make it anew") from None


def _array(archive, name):
    entry = archive.getinfo(name)
    archive.fp.seek(0, os.SEEK_END)
    if entry.compress_size > archive.fp.tell() or entry.file_size > DENSEST * entry.compress_size:
        raise ValueError(f"{name} is said to have {entry.file_size} bytes")
    content = io.BytesIO(archive.read(entry))
    shape, _, dtype = HEADERS[np.lib.format.read_magic(content)](content)
    if math.prod(shape) * dtype.itemsize != len(content.getbuffer()) - content.tell():
        raise ValueError(f"{name} is said to have the shape {shape}")
    content.seek(0)
    return np.load(content, allow_pickle=False)

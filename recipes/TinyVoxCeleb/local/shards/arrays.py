"""Arrays in files as they are found again: read with care, as the files may be damaged."""

import io
import math
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from local.errors import RecipeError
from local.stored import UNREADABLE, check_file

DENSEST = 1100  # bytes that a packed byte may stand for
HEADERS = {(n, 0): getattr(np.lib.format, f"read_array_header_{n}_0") for n in (1, 2)}


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
    check_file(path, "file of arrays")
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

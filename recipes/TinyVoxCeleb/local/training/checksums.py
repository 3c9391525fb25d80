"""Sizes and checksums of the files of a checkpoint, or of a trained network.

A copy of this file lies in each inference bundle, so it imports nothing of the recipe.
"""

import json
import zipfile
import zlib
from pathlib import Path

CHECKSUMS = "checksums.json"
CHUNK = 2**20  # bytes


def measure(path: Path) -> list[int]:
    """Size in bytes and CRC32 of a file."""
    checksum = 0
    with open(path, "rb") as fin:
        while chunk := fin.read(CHUNK):
            checksum = zlib.crc32(chunk, checksum)
        return [fin.tell(), checksum]


def write_checksums(folder: Path, pattern: str = "*") -> None:
    """Write down what the files of a folder are, those of a pattern, once they are complete."""
    files = {path.name: measure(path) for path in sorted(folder.glob(pattern))}
    (folder / CHECKSUMS).write_text(json.dumps(files, indent=1), encoding="utf-8")


def content_checksum(content: dict) -> int:
    """CRC32 of what a JSON file holds, but for its own key "checksum"."""
    rest = {key: value for key, value in content.items() if key != "checksum"}
    return zlib.crc32(json.dumps(rest, sort_keys=True).encode())


def find_damaged(folder: Path) -> str:
    """The name of a file of a trained network that is not what was written, "" if there is none.

    Without checksums.json, of a former version, those that torch has written tell by themselves.
    Files that are not there are left to those who need them.
    """
    paths = sorted(folder.glob("*.ckpt"))
    if not (folder / CHECKSUMS).is_file():
        return next((path.name for path in paths if _is_broken(path)), "")
    try:
        known = dict(json.loads((folder / CHECKSUMS).read_bytes()))
    except (ValueError, TypeError):
        return CHECKSUMS
    return next((path.name for path in paths if known.get(path.name) != measure(path)), "")


def _is_broken(path):
    with open(path, "rb") as fin:
        if fin.read(2) != b"PK":  # an archive, if it is torch's; else a text
            fin.seek(0)
            content = fin.read()
            return not content.strip() or b"\0" in content
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is not None
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, LookupError, RuntimeError):
        return True

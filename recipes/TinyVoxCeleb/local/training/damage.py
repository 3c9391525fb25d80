"""Whether a checkpoint is whole: a power cut can leave files that are empty, cut short or zero."""

import json
import zlib
from pathlib import Path

import yaml
from speechbrain.utils.checkpoints import METAFNAME

from local.stored import is_damaged

MANIFEST = "manifest.json"  # sizes and checksums of the other files of a checkpoint
CHUNK = 2**20  # bytes


def write_manifest(folder: Path) -> None:
    """Write down what the files of a complete checkpoint are."""
    files = {path.name: _measured(path) for path in sorted(folder.iterdir())}
    (folder / MANIFEST).write_text(json.dumps(files, indent=1), encoding="utf-8")


def damage(folder: Path, names: list[str]) -> str:
    """What is wrong with a checkpoint that is to hold parameters of these names; "" if nothing.

    One of a former version has no manifest: of its files only those of torch have checksums.
    """
    expected = dict.fromkeys((METAFNAME, *(f"{name}.ckpt" for name in names)))
    if (folder / MANIFEST).is_file():
        try:
            expected |= json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        except (ValueError, TypeError):
            return f"{MANIFEST} is damaged"
    for name, measured in expected.items():
        path = folder / name
        try:
            if not path.stat().st_size:
                return f"{name} is empty"
            if _measured(path) != measured if measured else _has_fault(path):
                return f"{name} is damaged"
        except FileNotFoundError:
            return f"{name} is missing"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
    return ""


def _measured(path):
    checksum = 0
    with open(path, "rb") as fin:
        while chunk := fin.read(CHUNK):
            checksum = zlib.crc32(chunk, checksum)
        return [fin.tell(), checksum]


def _has_fault(path):
    if path.name != METAFNAME:
        return is_damaged(path)
    try:
        return not {"unixtime", "end-of-epoch"} <= yaml.safe_load(path.read_bytes()).keys()
    except (yaml.YAMLError, AttributeError, UnicodeDecodeError):  # no mapping; no text
        return True

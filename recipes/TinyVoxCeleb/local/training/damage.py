"""Whether a checkpoint is whole: a power cut can leave files that are empty, cut short or zero."""

from pathlib import Path

import yaml
from speechbrain.utils.checkpoints import METAFNAME

from local.errors import RecipeError
from local.stored import is_damaged, parse_json
from local.training.checksums import CHECKSUMS, measure


def damage(folder: Path, names: list[str]) -> str:
    """What is wrong with a checkpoint that is to hold parameters of these names; "" if nothing.

    One of a former version has no checksums.json: of its files only those of torch have checksums.

    Raises
    ------
    RecipeError
        A file cannot be read, which tells nothing of what is in it.
    """
    expected = dict.fromkeys((METAFNAME, *(f"{name}.ckpt" for name in names)))
    if (folder / CHECKSUMS).is_file():
        try:
            expected |= parse_json((folder / CHECKSUMS).read_text(encoding="utf-8"))
        except (ValueError, TypeError):
            return f"{CHECKSUMS} is damaged"
    for name, measured in expected.items():
        path = folder / name
        try:
            if not path.stat().st_size:
                return f"{name} is empty"
            damaged = _has_fault(path) if measured is None else measure(path) != measured
            if damaged:
                return f"{name} is damaged"
        except FileNotFoundError:
            return f"{name} is missing"
        except OSError as error:
            raise RecipeError(
                f"{path}: cannot be read ({error.strerror}): give the same command again; if it "
                f"stays so, remove {folder}, and it carries on from the checkpoint before"
            ) from None
    return ""


def _has_fault(path):
    if path.name != METAFNAME:
        return is_damaged(path)
    try:
        return not {"unixtime", "end-of-epoch"} <= yaml.safe_load(path.read_bytes()).keys()
    except (yaml.YAMLError, AttributeError, UnicodeDecodeError):  # no mapping; no text
        return True

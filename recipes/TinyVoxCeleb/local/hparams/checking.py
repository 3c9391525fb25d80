"""Whether options are keys of an hparams file, have values of their kind, and an effect."""

import dataclasses
import difflib
import math
import re
from pathlib import Path

import yaml
from speechbrain.utils.run_opts import RunOptions

from local.errors import RecipeError
from local.hparams.nodes import as_text, top_level

_INTEGER, _NUMBER = re.compile(r"[-+]?\d+"), re.compile(r"[-+]?[\d.]+([eE][-+]?\d+)?")
_KEY, _BASE = re.compile(r"^(\w+):", re.M), re.compile(r"^base: *([^#\n]*[^#\s])", re.M)
_TOUCHED = re.compile(r"^(\w+): *(?:&|!apply)", re.M)  # used by another name, or by being made
_MAY_BE_ZERO = (
    *("num_workers", "random_seed", "num_bootstrap", "ckpt_interval_minutes"),
    *("frozen_epochs", "min_epoch_steps", "steps", "max_steps"),
)


def check_keys(path: str | Path, text: str, given: dict) -> None:
    """Check options against the complete text of a file; their numbers become such in place."""
    known = top_level(text)
    for key, value in given.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise RecipeError(f"--{key}: unknown key of {path}: {hint}")
        if is_made(key, known[key]):
            raise RecipeError(f"--{key}: made by {path}, not an option; edit the file")
        default = as_text(known[key])
        if default.lower() in ("true", "false") and not isinstance(value, bool):
            raise RecipeError(f"--{key}: expected True or False, found {value!r}")
        if _NUMBER.fullmatch(default):
            whole = _INTEGER.fullmatch(default) is not None
            given[key] = _number(value, whole)
            least = 0 if key in _MAY_BE_ZERO or not whole else 1
            if given[key] is None or given[key] < least:
                kind = f"a whole number from {least}" if whole else "a number, not negative"
                raise RecipeError(
                    f"--{key}: expected {kind} ({default} in {path}), found {value!r}"
                )
    missing = [key for key, node in known.items() if node.tag == "!PLACEHOLDER"]
    missing = [f"--{key}" for key in missing if given.get(key) is None]
    if missing:
        raise RecipeError(f"{path}: give {', '.join(missing)} on the command line")
    check_used(path, text, {key: f"--{key}" for key in given})


def check_used(path: str | Path, text: str, places: dict[str, str]) -> None:
    """Check that keys which were written at some places have an effect in a complete text."""
    refs, own = re.compile(r"<(\w+)"), [Path(path).read_text(encoding="utf-8")]
    unused = places.keys() - {*refs.findall(text), *_TOUCHED.findall(text + own[0])}
    if not unused:
        return
    while base := _BASE.search(own[-1]):
        path = Path(path).parent / base[1].strip("'\"")
        own.append(path.read_text(encoding="utf-8"))
    options = {field.name for field in dataclasses.fields(RunOptions)}
    referred, known = (set(found.findall("\n".join(own))) for found in (refs, _KEY))
    new = {*_KEY.findall(own[0])} - {*_KEY.findall("\n".join(own[1:]))} if own[1:] else set()
    for key in sorted(unused - options):
        near = difflib.get_close_matches(key, (known | options) - {key}, 1, cutoff=0.8)
        # What nothing refers to may be for code: for this recipe's, if the base has it too.
        if key in referred or (key in new and near):
            hint = f"did you mean {near[0]}?" if key in new and near else "remove it"
            raise RecipeError(f"{places[key]}: has no effect, as no other key refers to it: {hint}")


def is_made(key: str, node: yaml.Node) -> bool:
    """Whether the file makes the value of a key, which no option can replace."""
    return key in ("modules", "base") or node.tag.startswith(("!apply", "!new", "!name"))


def _number(value, whole):
    """A number, also from text such as 1e-3, which YAML takes for text; else None."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if math.isnan(number):
        return None
    if not whole:
        return number
    return int(number) if number.is_integer() else None

"""Hyperparameter files and command-line options: read, completed, checked, loaded."""

import dataclasses
import difflib
import itertools
import json
import math
import os
import re
import sys
import traceback
from pathlib import Path
from typing import NamedTuple

import ruamel.yaml
import speechbrain as sb
import yaml
from hyperpyyaml import load_hyperpyyaml
from hyperpyyaml.core import recursive_update
from speechbrain.utils.run_opts import RunOptions

from local.errors import RecipeError, one_line_errors
from local.files import is_damaged
from local.processes import choose_device

RECORD = "experiment.yaml"  # in the folder of a run, and in its bundle: what it was made with
_INTEGER, _NUMBER = re.compile(r"[-+]?\d+"), re.compile(r"[-+]?[\d.]+([eE][-+]?\d+)?")
_TEXT_KEY = re.compile(
    r"--(\w*_(folder|path|file|dir|lists|trials|evaluate|shards|shards_to|cache)"
    r"|checkpoint|start_from|front_end)"
)
_KEY, _BASE = re.compile(r"^(\w+):", re.M), re.compile(r"^base: *([^#\n]*[^#\s])", re.M)
_TOUCHED = re.compile(r"^(\w+): *(?:&|!apply)", re.M)  # used by another name, or by being made
_MAY_BE_ZERO = (
    *("num_workers", "random_seed", "num_bootstrap", "ckpt_interval_minutes"),
    *("frozen_epochs", "min_epoch_steps"),
)


class HparamsFile(NamedTuple):
    """An hparams file as a whole, and the options that were given beside it."""

    text: str  # HyperPyYAML, with what `base` and `start_from` bring in
    overrides: dict  # paths among them are absolute


def parse_arguments(argv: list[str], description: str = ""):
    """Parse as speechbrain.parse_arguments does, for paths of any spelling.

    SpeechBrain makes YAML of the options, to which ``" #"`` begins a comment and ``": "`` a
    mapping, and splits them at every ``=``. Returns the hparams file, SpeechBrain's run options,
    and the overrides as YAML text. For --help, or where there are no arguments, the description is
    printed, with the keys of the hparams file.

    Example
    -------
    >>> parse_arguments(["proto.yaml", "--output_folder", "runs/a #1=b", "--epochs=3"])[2]
    'output_folder: "runs/a #1\\\\u003db"\\nepochs: 3'
    """
    if not argv or {"-h", "--help"} & set(argv):
        with one_line_errors():
            _print_help(argv, description)
        sys.exit(0 if argv else 1)
    words = []
    for word in argv:
        words += word.split("=", 1) if word.startswith("--") else [word]
    for place, (key, value) in enumerate(itertools.pairwise(words), start=1):
        if _TEXT_KEY.fullmatch(key) and not value.startswith("--"):
            words[place] = json.dumps(value).replace("=", "\\u003d")
    return sb.parse_arguments(words)


def _print_help(argv, description):
    print(description.strip())
    for path in filter(os.path.isfile, argv):
        print(f"\nOptions, the keys of {path}:")
        for key, default in _top_level(complete_text(path)).items():
            if not _is_made(key, default):
                print(f"  --{key} {_as_text(default)}")
    print("\nOptions of SpeechBrain: --device, --precision, --noprogressbar, --debug, ...")
    print("With an hparams file and --help, its keys and their values are listed.", flush=True)


def load_hparams(path: str, overrides: str, run_opts) -> tuple[dict, HparamsFile]:
    """Load a HyperPyYAML file with overrides, which are YAML text as `parse_arguments` gives it.

    Raises
    ------
    RecipeError
        No such file, also of those that options name; not YAML; an unknown key; one that has no
        effect; a key that must be given and is not; a value of the wrong kind; a device or
        precision that there is not.
    """
    for precision in (run_opts.precision, run_opts.eval_precision):
        choose_device(run_opts.device, precision)
    file = read_hparams(path, overrides)
    for key, value in file.overrides.items():  # before a folder is made for what cannot be done
        if key.endswith("_path") and not os.path.isfile(value):
            raise RecipeError(f"--{key}: {value}: no such file")
    try:
        hparams = load_hyperpyyaml(file.text, file.overrides)
    except OSError as error:  # the checkpointer makes its folder
        raise RecipeError(
            f"output_folder: {error.filename} cannot be made ({error.strerror}): choose another"
        ) from error
    except AssertionError as error:  # SpeechBrain's, which have no message
        broken = traceback.extract_tb(error.__traceback__)[-1].line
        raise RecipeError(f"{path}: {broken}; check the values of its keys") from error
    except (TypeError, ValueError, ImportError, AttributeError) as error:
        # HyperPyYAML puts what it was making before the message of what went wrong.
        reason = ": ".join(str(part).splitlines()[0] for part in error.args)
        raise RecipeError(f"{path}: {reason}; check the values of its keys") from error
    if run_opts.ckpt_interval_steps > 0:  # SpeechBrain takes one of the two
        hparams["ckpt_interval_minutes"] = 0
    return hparams, file


def read_hparams(path: str, overrides: str) -> HparamsFile:
    """Read an hparams file and its overrides, and check them, without making any object."""
    try:
        given = yaml.safe_load(overrides) or {}
    except yaml.YAMLError as error:
        raise RecipeError(f"{path} or its options: not valid YAML: {error}") from None
    if not isinstance(given, dict):
        raise RecipeError(f"expected options as --key value, found {overrides.strip()!r}")
    for key in given:
        if given[key] is None:
            raise RecipeError(f"--{key}: expected a value after it")
        if key.endswith(("_folder", "_path")) and "://" not in str(given[key]):
            given[key] = os.path.abspath(given[key])
    text = _with_kept_modules(path, complete_text(path), given)
    _check_keys(path, text, given)
    return HparamsFile(text, given)


def complete_text(path: str | Path, named_by: tuple[Path, ...] = ()) -> str:
    """The text of an hparams file; of one that names its `base`, the base's with its changes.

    `named_by` are the files that have named this one as their base, or a base of it.
    """
    path = Path(path)
    chain = [*named_by, path]
    if path.resolve() in [file.resolve() for file in named_by]:
        raise RecipeError(f"{path}: base names a file in a circle: {' -> '.join(map(str, chain))}")
    if not path.is_file():
        named = f" ({named_by[-1]} names it as its base)" if named_by else ""
        raise RecipeError(f"{path}: no such hparams file{named}")
    try:
        text = path.read_text(encoding="utf-8")
        if "base" not in _top_level(text):
            ruamel.yaml.YAML().load(text)  # which finds more, such as a key that is there twice
            return text
        changes = ruamel.yaml.YAML().load(text)
    except (yaml.YAMLError, ruamel.yaml.error.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} or its options: not valid YAML: {error}") from None
    named = changes.pop("base")
    if not isinstance(named, str):
        raise RecipeError(f"{path}: base: expected the name of an hparams file, found {named!r}")
    base = ruamel.yaml.YAML().load(complete_text(path.parent / named, (*named_by, path)))
    places = {key: f"{path}:{changes.lc.key(key)[0] + 1}: {key}" for key in changes}
    _take_other_objects(base, changes)
    recursive_update(base, changes)
    text = _dump(base)
    if not named_by:  # which may refer to keys of this one
        _check_used(path, text, places)
    return text


def _take_other_objects(base, changes):
    """Move objects of another class than the base's there: their arguments are not merged."""
    for key, value in list(changes.items()):
        if key in base and _tag(value) and _tag(value) != _tag(base[key]):
            base[key] = changes.pop(key)
        elif isinstance(value, dict) and isinstance(base.get(key), dict):
            _take_other_objects(base[key], value)


def _with_kept_modules(path, text, given):
    """Fill in the keys that a training takes from the run that it starts from."""
    keys = _top_level(text)
    if "kept_modules" not in keys:
        return text
    kept = given.get("kept_modules") or yaml.safe_load(_as_text(keys["kept_modules"]))
    kept = (*kept, "embedding_size")
    tree = ruamel.yaml.YAML().load(text)
    if not given.get("start_from"):  # which is missing then, and not what would come from there
        return _dump(tree | dict.fromkeys(kept, "of the run"))
    run = Path(given["start_from"])
    record = next(filter(Path.is_file, (run / "inference" / RECORD, run / RECORD)), None)
    if record is None:
        raise RecipeError(
            f"start_from {run}: no trained network here (no {RECORD}); name the output folder of a "
            "complete training run"
        )
    if is_damaged(record):
        raise RecipeError(f"start_from {run}: {record} is empty or damaged: train that run again")
    theirs = ruamel.yaml.YAML().load(record.read_text(encoding="utf-8"))
    for key in kept:
        if key not in theirs:
            raise RecipeError(
                f"start_from {run}: {record} has no {key}, which {path} takes from there: give the "
                "hparams file of the run that key, and train it anew"
            )
        tree[key] = theirs[key]
    return _dump(tree)


def _dump(tree):
    stream = ruamel.yaml.compat.StringIO()
    ruamel.yaml.YAML().dump(tree, stream)
    return stream.getvalue()


def _tag(value):
    return str(getattr(getattr(value, "tag", None), "value", None) or "")


def _check_keys(path, text, given):
    known = _top_level(text)
    for key, value in given.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise RecipeError(f"--{key}: unknown key of {path}: {hint}")
        if _is_made(key, known[key]):
            raise RecipeError(f"--{key}: made by {path}, not an option; edit the file")
        default = _as_text(known[key])
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
    _check_used(path, text, {key: f"--{key}" for key in given})


def _check_used(path, text, places):
    """Check that keys which were written at some places have an effect in a complete text."""
    refs, own = re.compile(r"<(\w+)"), [Path(path).read_text(encoding="utf-8")]
    unused = places.keys() - {*refs.findall(text), *_TOUCHED.findall(text + own[0])}
    if not unused:
        return
    while base := _BASE.search(own[-1]):
        path = Path(path).parent / base[1].strip("'\"")
        own.append(path.read_text(encoding="utf-8"))
    used_by_code = {field.name for field in dataclasses.fields(RunOptions)}
    shipped = (Path(__file__).parents[1] / "hparams").glob("*.yaml")
    for alone in (own[-1], *(file.read_text(encoding="utf-8") for file in shipped)):
        if not _BASE.search(alone):
            used_by_code |= set(_KEY.findall(alone)) - set(refs.findall(alone))
    for key in sorted(unused - used_by_code):
        near = difflib.get_close_matches(key, {*_KEY.findall(text), *used_by_code} - {key}, n=1)
        hint = f"did you mean {near[0]}?" if near else "remove it"
        raise RecipeError(
            f"{places[key]}: has no effect, as no other key refers to it: {hint} (what your own "
            "code reads belongs into a file without base)"
        )


def _is_made(key, node):
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


def _top_level(text):
    """The YAML node of each top-level key."""
    root = yaml.compose(text)
    if not isinstance(root, yaml.MappingNode):
        raise yaml.YAMLError("expected keys and values, as in `epochs: 30`")
    return {key.value: value for key, value in root.value}


def settings(text: str) -> dict[str, str]:
    """Every value of an hparams file as text, by the keys that lead to it.

    An object has its tag under its own key. An alias counts as what it stands for.

    Example
    -------
    >>> settings("epochs: 30 # of 3 s crops\\nnet: !new:models.Net\\n  sizes: [1, 2]\\n  name: a#1")
    {'epochs': '30', 'net': '!new:models.Net', 'net.sizes': '[1, 2]', 'net.name': 'a#1'}
    """
    return {
        name: value for key, node in _top_level(text).items() for name, value in _values(node, key)
    }


def plain_values(text: str) -> dict:
    """The numbers, texts and truth values of an hparams file that are top-level keys.

    Example
    -------
    >>> plain_values("epochs: 30\\nrun: 'a #1'\\nrate: !ref <epochs>")
    {'epochs': 30, 'run': 'a #1'}
    """
    return {
        key: yaml.safe_load(yaml.serialize(node))
        for key, node in _top_level(text).items()
        if isinstance(node, yaml.ScalarNode) and not node.tag.startswith("!")
    }


def _values(node, name):
    if isinstance(node, yaml.ScalarNode) or _is_flat(node):
        yield name, _as_text(node)
        return
    if node.tag.startswith("!"):
        yield name, node.tag
    items = node.value if isinstance(node, yaml.MappingNode) else enumerate(node.value)
    for key, value in items:
        yield from _values(value, f"{name}.{getattr(key, 'value', key)}")


def _is_flat(node):
    return isinstance(node, yaml.SequenceNode) and all(
        isinstance(value, yaml.ScalarNode) for value in node.value
    )


def _as_text(node):
    """A value as a hparams file has it; a mapping without its values."""
    text = node.value
    if _is_flat(node):
        text = f"[{', '.join(map(_as_text, node.value))}]"
    elif not isinstance(node, yaml.ScalarNode):
        text = "{...}" if isinstance(node, yaml.MappingNode) else "[...]"
    return f"{node.tag} {text}".strip() if node.tag.startswith("!") else text

"""An hparams file as a whole: with what its base, and the run that it starts from, bring in."""

from pathlib import Path

import ruamel.yaml
import yaml
from hyperpyyaml.core import recursive_update

from local.errors import RecipeError
from local.hparams.checking import check_used
from local.hparams.nodes import as_text, top_level
from local.stored import is_damaged

RECORD = "experiment.yaml"  # in the folder of a run, and in its bundle: what it was made with


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
        if "base" not in top_level(text):
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
        check_used(path, text, places)
    return text


def _take_other_objects(base, changes):
    """Move objects of another class than the base's there: their arguments are not merged."""
    for key, value in list(changes.items()):
        if key in base and _tag(value) and _tag(value) != _tag(base[key]):
            base[key] = changes.pop(key)
        elif isinstance(value, dict) and isinstance(base.get(key), dict):
            _take_other_objects(base[key], value)


def with_kept_modules(path: str | Path, text: str, given: dict) -> str:
    """Fill in the keys that a training takes from the run that it starts from."""
    keys = top_level(text)
    if "kept_modules" not in keys:
        return text
    kept = given.get("kept_modules") or yaml.safe_load(as_text(keys["kept_modules"]))
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

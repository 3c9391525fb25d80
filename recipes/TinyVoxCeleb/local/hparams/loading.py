"""From the command line and an hparams file to the objects that it describes."""

import itertools
import json
import os
import re
import sys
import traceback
from typing import NamedTuple

import speechbrain as sb
import yaml
from hyperpyyaml import load_hyperpyyaml

from local.errors import RecipeError, one_line_errors
from local.hparams.checking import check_keys, is_made
from local.hparams.composing import complete_text, with_kept_modules
from local.hparams.nodes import as_text, top_level
from local.processes import choose_device

_TEXT_KEY = re.compile(
    r"--(\w*_(folder|path|file|dir|lists|trials|evaluate|shards|shards_to|cache)"
    r"|checkpoint|start_from|front_end)"
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
        for key, default in top_level(complete_text(path)).items():
            if not is_made(key, default):
                print(f"  --{key} {as_text(default)}")
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
    choose_device(run_opts.device, hparams.get("precision", "fp32"))
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
        if given[key] and key.endswith(("_folder", "_path")) and "://" not in str(given[key]):
            given[key] = os.path.abspath(given[key])
    text = with_kept_modules(path, complete_text(path), given)
    check_keys(path, text, given)
    return HparamsFile(text, given)

"""Load hyperparameters, and say in one line what is wrong with them."""

import difflib
import itertools
import json
import logging
import os
import re
import sys
import traceback
from pathlib import Path

import speechbrain as sb
import yaml
from hyperpyyaml import load_hyperpyyaml

from local.errors import RecipeError
from local.processes import choose_device

_INTEGER, _NUMBER = re.compile(r"[-+]?\d+"), re.compile(r"[-+]?[\d.]+([eE][-+]?\d+)?")
_TEXT_KEY = re.compile(
    r"--(\w*_(folder|path|file|dir|lists|trials|evaluate|shards|shards_to|cache)"
    r"|checkpoint|start_from|front_end)"
)
_MAY_BE_ZERO = (
    *("num_workers", "random_seed", "num_bootstrap", "ckpt_interval_minutes"),
    "frozen_epochs",
)


def parse_arguments(argv, description=""):
    """As speechbrain.parse_arguments, for paths of any spelling.

    SpeechBrain makes YAML of the options, to which ``" #"`` begins a comment and ``": "`` a
    mapping, and splits them at every ``=``.

    Arguments
    ---------
    argv : list of str
    description : str
        Printed, with the keys of the hparams file, for --help or where there are no arguments.

    Returns
    -------
    (str, RunOptions, str)
        The hparams file, SpeechBrain's run options, and the overrides as YAML text.

    Example
    -------
    >>> parse_arguments(["proto.yaml", "--output_folder", "runs/a #1=b", "--epochs=3"])[2]
    'output_folder: "runs/a #1\\\\u003db"\\nepochs: 3'
    """
    if not argv or {"-h", "--help"} & set(argv):
        print(description.strip())
        for path in filter(os.path.isfile, argv):
            print(f"\nOptions, the keys of {path}:")
            for key, default in settings(Path(path).read_text(encoding="utf-8")).items():
                if not _is_made(key, default):
                    print(f"  --{key} {default}")
        print("\nOptions of SpeechBrain: --device, --precision, --noprogressbar, --debug, ...")
        print("With an hparams file and --help, its keys and their values are listed.")
        sys.exit(0 if argv else 1)
    words = []
    for word in argv:
        words += word.split("=", 1) if word.startswith("--") else [word]
    for place, (key, value) in enumerate(itertools.pairwise(words), start=1):
        if _TEXT_KEY.fullmatch(key) and not value.startswith("--"):
            words[place] = json.dumps(value).replace("=", "\\u003d")
    return sb.parse_arguments(words)


def load_hparams(path, overrides, run_opts):
    """Load a HyperPyYAML file.

    Arguments
    ---------
    path : str
        The hparams file.
    overrides : str
        YAML text, as `parse_arguments` gives it.
    run_opts : speechbrain.utils.run_opts.RunOptions

    Returns
    -------
    (dict, dict)
        The hyperparameters, and the overrides among them as they were understood.

    Raises
    ------
    RecipeError
        No such file; not YAML; an unknown key; a key that must be given and is not; a value of the
        wrong kind; see also `choose_device`.
    """
    for precision in (run_opts.precision, run_opts.eval_precision):
        choose_device(run_opts.device, precision)
    text, given = read_hparams(path, overrides)
    # Said when SpeechBrain's loggers are imported; nothing here draws spectrograms.
    logging.getLogger("speechbrain.utils.train_logger").addFilter(
        lambda record: "torchvision" not in record.getMessage()
    )
    try:
        hparams = load_hyperpyyaml(text, given)
        if run_opts.ckpt_interval_steps > 0:  # SpeechBrain takes one of the two
            hparams["ckpt_interval_minutes"] = 0
        return hparams, given
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


def read_hparams(path, overrides):
    """Read a HyperPyYAML file and its overrides, and check them, without making any object.

    Arguments
    ---------
    path, overrides
        As for `load_hparams`.

    Returns
    -------
    (str, dict)
        The text of the file, and the overrides; paths among them are absolute.

    Raises
    ------
    RecipeError
        See `load_hparams`.
    """
    if not Path(path).is_file():
        raise RecipeError(f"{path}: no such hparams file")
    text = Path(path).read_text(encoding="utf-8")
    try:
        given = yaml.safe_load(overrides) or {}
        yaml.compose(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"{path} or its options: not valid YAML: {error}") from None
    if not isinstance(given, dict):
        raise RecipeError(f"expected options as --key value, found {overrides.strip()!r}")
    for key in given:
        if key.endswith(("_folder", "_path")) and "://" not in str(given[key]):
            given[key] = os.path.abspath(given[key])
    _check_keys(path, text, given)
    return text, given


def _check_keys(path, text, given):
    known = settings(text)
    for key, value in given.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise RecipeError(f"--{key}: unknown key of {path}: {hint}")
        default = known[key]
        if _is_made(key, default):
            raise RecipeError(f"--{key}: made by {path}, not an option; edit the file")
        if default in ("True", "False") and not isinstance(value, bool):
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
    missing = [key for key, default in known.items() if default == "!PLACEHOLDER"]
    missing = [f"--{key}" for key in missing if given.get(key) is None]
    if missing:
        raise RecipeError(f"{path}: give {', '.join(missing)} on the command line")


def _is_made(key, default):
    return key in ("modules", "train_loggers") or default.startswith(("!apply", "!new", "!name"))


def _number(value, whole):
    """A number, also from text such as 1e-3, which YAML takes for text; else None."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if not whole:
        return number
    return int(number) if number.is_integer() else None


def without_comments(text):
    """YAML text without its comments; a # in quotes is none."""
    return re.sub(
        r"""('(?:[^']|'')*'|"(?:[^"\\]|\\.)*")|(?:^|(?<=\s))#.*""",
        lambda match: match[1] or "",
        text,
        flags=re.MULTILINE,
    )


def settings(resolved):
    """The value of each top-level key of an hparams file, as text.

    Arguments
    ---------
    resolved : str

    Returns
    -------
    dict of str to str

    Example
    -------
    >>> settings("# comment\\nepochs: 30 # of 3 s crops\\nmodules:\\n  a: ' #1'\\n")
    {'epochs': '30', 'modules': "a: ' #1'"}
    """
    text = without_comments(resolved)
    blocks = re.findall(r"^(\w+):((?:.|\n)*?)(?=^\w|\Z)", text, flags=re.MULTILINE)
    return {key: " ".join(block.split()) for key, block in blocks}

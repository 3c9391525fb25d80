"""Load hyperparameters, and say in one line what is wrong with them.

Authors
 * The TinyVoxCeleb authors 2026
"""

import difflib
import logging
import os
import re
from pathlib import Path

import torch
import yaml
from hyperpyyaml import load_hyperpyyaml, resolve_references

from local.errors import RecipeError

_NUMBER = re.compile(r"[-+]?[\d.]+")


def load_hparams(path, overrides, run_opts):
    """Load a HyperPyYAML file.

    Arguments
    ---------
    path : str
        The hparams file.
    overrides : str
        YAML text, as `speechbrain.parse_arguments` gives it.
    run_opts : speechbrain.utils.run_opts.RunOptions
        Its device is checked too.

    Returns
    -------
    dict

    Raises
    ------
    RecipeError
        No such file; not YAML; an unknown key; a key that must be given and is not; a value of the
        wrong kind; run options that this recipe cannot serve, such as CUDA where there is none.
    """
    _check_run_options(run_opts)
    text, given = read_hparams(path, overrides)
    # Said when SpeechBrain's loggers are imported; nothing here draws spectrograms.
    logging.getLogger("speechbrain.utils.train_logger").addFilter(
        lambda record: "torchvision" not in record.getMessage()
    )
    try:
        return load_hyperpyyaml(text, given)
    except OSError as error:  # the checkpointer makes its folder
        raise RecipeError(
            f"output_folder: {error.filename} cannot be made ({error.strerror}): choose another"
        ) from error
    except (TypeError, ValueError, ImportError, AttributeError) as error:
        # HyperPyYAML puts what it was making before the message of what went wrong.
        reason = ": ".join(str(part).splitlines()[0] for part in error.args)
        raise RecipeError(f"{path}: {reason}; check the values of its keys") from error


def _check_run_options(run_opts):
    if run_opts.device and "cuda" in run_opts.device and not torch.cuda.is_available():
        raise RecipeError(
            f"--device {run_opts.device}: no CUDA device here (torch {torch.__version__}): use "
            "--device cpu, or install the CUDA build of torch on a machine with a GPU"
        )
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise RecipeError("torchrun with several processes: this recipe runs in one so far")
    if run_opts.ckpt_interval_minutes > 0 or run_opts.ckpt_interval_steps > 0:
        raise RecipeError(
            "--ckpt_interval_minutes, --ckpt_interval_steps: checkpoints are made at the end of "
            "each epoch only, so that a resumed run gives the same result; leave them out"
        )


def read_hparams(path, overrides):
    """Read a HyperPyYAML file and its overrides, and check them, without making any object.

    Arguments
    ---------
    path, overrides
        As for `load_hparams`.

    Returns
    -------
    (str, dict)
        The text of the file, and the overrides.

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
    # PyYAML takes 1e-3 for text.
    given = {
        key: float(value) if re.fullmatch(r"[-+]?[\d.]+[eE][-+]?\d+", str(value)) else value
        for key, value in given.items()
    }
    _check_keys(path, text, given)
    return text, given


def _check_keys(path, text, given):
    keys = re.findall(r"^([A-Za-z_]\w*):", text, flags=re.MULTILINE)
    for key in given:
        if key not in keys:
            near = difflib.get_close_matches(key, keys, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(keys)}"
            raise RecipeError(f"--{key}: unknown key of {path}: {hint}")
    for key, default in settings(text).items():
        if _NUMBER.fullmatch(default) and isinstance(given.get(key), str):
            raise RecipeError(
                f"--{key}: expected a number, as {default} in {path}, found {given[key]!r}"
            )
    required = re.findall(r"^(\w+): !PLACEHOLDER", text, flags=re.MULTILINE)
    missing = [f"--{key}" for key in required if given.get(key) is None]
    if missing:
        raise RecipeError(f"{path}: give {', '.join(missing)} on the command line")


def check_output_folder(folder, path, overrides, may_change):
    """Check that a run can be written, and that a run already there is the same experiment.

    Arguments
    ---------
    folder : str
        The run's output folder.
    path : str
        The hparams file.
    overrides : dict
        Of its keys.
    may_change : iterable of str
        Keys that a continued run may have otherwise.

    Returns
    -------
    str
        The resolved hyperparameters, as YAML text.

    Raises
    ------
    RecipeError
        The folder is not writable, or holds a run with other hyperparameters.
    """
    folder = Path(folder)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise RecipeError(f"output_folder {folder}: not writable; choose another")
    with open(path, encoding="utf-8") as fin:
        text = fin.read()
    resolved = resolve_references(text, overrides).getvalue()
    earlier = folder / "hyperparams.yaml"
    if earlier.is_file():
        then = settings(earlier.read_text(encoding="utf-8"))
        changed = {key: yaml.safe_load(then[key]) for key in may_change if key in then}
        now = settings(resolve_references(text, {**overrides, **changed}).getvalue())
        for key in sorted(now.keys() | then.keys()):
            if now.get(key) != then.get(key):
                raise RecipeError(
                    f"{folder} holds a run with {key}: {then.get(key)}, now it is {now.get(key)}: "
                    "choose another --output_folder, or remove this one"
                )
    return resolved


def without_comments(text):
    """YAML text without its comments."""
    return re.sub(r"(^|\s)#.*", "", text, flags=re.MULTILINE)


def settings(resolved):
    """The value of each top-level key of a resolved hparams file, as text.

    Arguments
    ---------
    resolved : str

    Returns
    -------
    dict of str to str

    Example
    -------
    >>> settings("# comment\\nepochs: 30 # of 3 s crops\\nmodules:\\n  a: 1\\n")
    {'epochs': '30', 'modules': 'a: 1'}
    """
    text = without_comments(resolved)
    blocks = re.findall(r"^(\w+):((?:.|\n)*?)(?=^\w|\Z)", text, flags=re.MULTILINE)
    return {key: " ".join(block.split()) for key, block in blocks}

"""The sweep file: which hyperparameters are searched, where, and how."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from hyperpyyaml import load_hyperpyyaml
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner

from local.errors import RecipeError
from local.hparams import read_hparams

KEYS = {"n_trials", "seed", "sampler", "pruner", "parameters"}
FORM = "{low: ..., high: ...} with log or step, or {choices: [...]}"


@dataclass
class Sweep:
    """What a sweep file says.

    Arguments
    ---------
    text : str
        The file.
    n_trials : int
        Of the whole study.
    seed : int
    sampler : callable
        Makes an optuna sampler of a seed.
    pruner : optuna.pruners.BasePruner
    space : dict of str to optuna.distributions.BaseDistribution
        By the keys of the hparams file.
    """

    text: str
    n_trials: int
    seed: int
    sampler: object
    pruner: object
    space: dict


def read_sweep(path, hparams_file, overrides):
    """Read a sweep file, and check it against the hparams file whose keys it searches.

    Arguments
    ---------
    path, hparams_file : str
    overrides : str
        YAML text, as `local.hparams.parse_arguments` gives it.

    Returns
    -------
    Sweep

    Raises
    ------
    RecipeError
        No such file; not YAML; a key that is missing or unknown; a parameter that the hparams file
        does not have, that is given as an override too, or whose values cannot be.
    """
    if not Path(path).is_file():
        raise RecipeError(f"{path}: no such sweep file")
    text = Path(path).read_text(encoding="utf-8")
    try:
        sweep = load_hyperpyyaml(text)
    except (yaml.YAMLError, TypeError, ValueError, ImportError, AttributeError) as error:
        raise RecipeError(f"{path}: {error}; check the values of its keys") from None
    if not isinstance(sweep, dict) or sweep.keys() != KEYS:
        found = ", ".join(map(str, sweep)) if isinstance(sweep, dict) else repr(sweep)
        raise RecipeError(f"{path}: expected the keys {', '.join(sorted(KEYS))}, found {found}")
    for key, least in (("n_trials", 1), ("seed", 0)):
        if type(sweep[key]) is not int or sweep[key] < least:
            raise RecipeError(
                f"{path}: {key}: expected a whole number from {least}, found {sweep[key]!r}"
            )
    try:
        sweep["sampler"](seed=sweep["seed"])
    except (TypeError, ValueError) as error:
        raise RecipeError(
            f"{path}: sampler: {error}: expected !name:optuna.samplers.SAMPLER, of one with a seed"
        ) from None
    if not isinstance(sweep["pruner"], BasePruner):
        raise RecipeError(f"{path}: pruner: expected !new:optuna.pruners.PRUNER")
    parameters = sweep.pop("parameters")
    if not isinstance(parameters, dict) or not parameters:
        raise RecipeError(f"{path}: parameters: expected KEY: {FORM}, found {parameters!r}")
    space = {name: _distribution(path, name, of) for name, of in parameters.items()}
    _check_values(path, space, hparams_file, read_hparams(hparams_file, overrides)[1])
    return Sweep(text=text, space=space, **sweep)


def _distribution(path, name, parameter):
    place = f"{path}: parameters: {name}"
    keys = set(parameter) if isinstance(parameter, dict) else set()
    if keys != {"choices"} and not {"low", "high"} <= keys <= {"low", "high", "log", "step"}:
        raise RecipeError(f"{place}: expected {FORM}, found {parameter!r}")
    try:
        if "choices" in keys:
            plain = (bool, int, float, str)  # what a study can hold; lists as on a command line
            choices = [one if isinstance(one, plain) else str(one) for one in parameter["choices"]]
            return CategoricalDistribution(choices)
        whole = type(parameter["low"]) is type(parameter["high"]) is int
        return (IntDistribution if whole else FloatDistribution)(**parameter)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{place}: {error} Expected {FORM}; found {parameter}") from None


def _check_values(path, space, hparams_file, given):
    for name, distribution in space.items():
        if name in given:
            raise RecipeError(f"--{name}: {path} searches it: leave it out here, or there")
        if isinstance(distribution, CategoricalDistribution):
            values = distribution.choices
        else:
            values = (distribution.low, distribution.high)
        for value in values:
            try:
                read_hparams(hparams_file, yaml.safe_dump({**given, name: value}))
            except RecipeError as error:
                message = str(error).removeprefix("--")
                raise RecipeError(f"{path}: parameters: {message}") from None


def options(params):
    """The options of a training with these hyperparameters; numbers are rounded to four digits.

    Arguments
    ---------
    params : dict
        Values by keys, as a trial has them.

    Returns
    -------
    list of str

    Example
    -------
    >>> options({"learning_rate": 0.00001234567, "batch_size": 64, "speaker_balanced": True})
    ['--learning_rate', '0.00001235', '--batch_size', '64', '--speaker_balanced', 'True']
    """
    words = []
    for key, value in params.items():
        if isinstance(value, float):  # never as 1e-05, which is text to YAML
            value = np.format_float_positional(value, 4, unique=False, fractional=False, trim="-")
        words += [f"--{key}", str(value)]
    return words

"""The sweep file: which hyperparameters are searched, where, and how."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml
from hyperpyyaml import load_hyperpyyaml
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from local.errors import RecipeError
from local.hparams import read_hparams

KEYS = {"n_trials", "seed", "sampler", "pruner", "parameters"}
FORM = "{low: ..., high: ...} with log or step, or {choices: [...]}"


@dataclass
class Sweep:
    """What a sweep file says, with its whole text.

    `n_trials` is for all processes together. The sampler is made with a seed. The space has the
    distribution of each key of the hparams file that is searched.
    """

    text: str
    n_trials: int
    seed: int
    sampler: Callable[..., BaseSampler]
    pruner: BasePruner
    space: dict[str, BaseDistribution]


def read_sweep(path: str, hparams_file: str, overrides: str) -> Sweep:
    """Read a sweep file, and check it against the hparams file whose keys it searches.

    The overrides are YAML text, as `local.hparams.parse_arguments` gives it.

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
    space = {name: _distribution(path, name, values) for name, values in parameters.items()}
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
            choices = [x if isinstance(x, plain) else str(x) for x in parameter["choices"]]
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

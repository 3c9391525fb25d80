"""One output folder, one experiment: what a run was made with, and whether it is complete.

Authors
 * The TinyVoxCeleb authors 2026
"""

import json
import os
import shlex
import sys
from pathlib import Path

import yaml
from hyperpyyaml import resolve_references

from local.atomic import atomic_file
from local.errors import RecipeError
from local.hparams import settings

RECORD = "experiment.yaml"
RUN_OPTIONS = ("precision", "eval_precision", "max_grad_norm", "grad_accumulation_factor")
MAY_CHANGE = (
    *("epochs", "patience", "num_workers", "output_folder", "ckpt_interval_minutes"),
    *("stage_shards_to", "shard_cache"),
)


def check_experiment(folder, path, overrides, run_opts):
    """Check that a run can be written, and that a run already there is the same experiment.

    Arguments
    ---------
    folder : str or Path
        The run's output folder.
    path : str
        The hparams file.
    overrides : dict
        Of its keys.
    run_opts : speechbrain.utils.run_opts.RunOptions
        Those that change the result belong to the experiment.

    Returns
    -------
    str
        The experiment: resolved hyperparameters and run options, as YAML text.

    Raises
    ------
    RecipeError
        The folder is not writable, or holds another experiment. Only the number of epochs and what
        does not change the result may differ.
    """
    folder = Path(folder)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise RecipeError(f"output_folder {folder}: not writable; choose another")
    text = Path(path).read_text(encoding="utf-8")
    options = {key: run_opts[key] for key in RUN_OPTIONS if key in run_opts.overridden_args}

    def resolve(**changed):
        resolved = resolve_references(text, {**overrides, **changed}).getvalue()
        return f"{resolved}\nrun_options: {json.dumps(options)}\n"

    record = folder / RECORD
    if record.is_file() and any(folder.glob("save/CKPT+*")):  # else nothing has come of it yet
        then = settings(record.read_text(encoding="utf-8"))
        changed = {key: yaml.safe_load(then[key]) for key in MAY_CHANGE if key in then}
        now = settings(resolve(**changed))
        for key in sorted(now.keys() | then.keys()):
            if now.get(key) != then.get(key):
                raise RecipeError(
                    f"{folder} holds a run with {key}: {then.get(key)}, now it is {now.get(key)}: "
                    "choose another --output_folder, or remove this one"
                )
    return resolve()


def record_experiment(folder, experiment):
    """Write down what the run in a folder is made with, and the command that made it.

    Arguments
    ---------
    folder : str or Path
    experiment : str
        From `check_experiment`.
    """
    with atomic_file(Path(folder) / RECORD) as fout:
        fout.write(f"# > {shlex.join(['python', *sys.argv])}\n{experiment}")


def is_same_experiment(folder, experiment):
    """Whether a folder holds the record of exactly this experiment.

    Arguments
    ---------
    folder : str or Path
    experiment : str
        From `check_experiment`.

    Returns
    -------
    bool
    """
    record = Path(folder) / RECORD
    return record.is_file() and settings(record.read_text("utf-8")) == settings(experiment)


def training_shards(folder):
    """The shards that a network was trained on.

    Arguments
    ---------
    folder : str or Path
        Output folder of the run, or its inference folder.

    Returns
    -------
    str

    Raises
    ------
    RecipeError
        No record of the run, or the shards are not there any more.
    """
    record = Path(folder) / RECORD
    shards = None
    if record.is_file():
        shards = settings(record.read_text(encoding="utf-8")).get("train_shards")
        shards = shards and str(yaml.safe_load(shards))
    if shards is None or not Path(shards).is_dir():
        raise RecipeError(
            f"{folder}: the training shards, whose speakers are the cohort, are not in "
            f"{shards or 'its record'}: give --train_shards_dir, a folder with copies of them"
        )
    return shards

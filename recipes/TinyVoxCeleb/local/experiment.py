"""One output folder, one experiment: what a run was made with, and whether it is complete."""

import contextlib
import json
import os
import shlex
import sys
from pathlib import Path

import yaml
from hyperpyyaml import resolve_references

from local.errors import RecipeError
from local.files import atomic_file, exclusive
from local.hparams import settings
from local.processes import rank
from local.shards.listing import split_sources

RECORD = "experiment.yaml"
RUN_OPTIONS = (
    *("precision", "eval_precision", "max_grad_norm", "grad_accumulation_factor"),
    "remove_vector_weight_decay",
)
WITHOUT_EFFECT = (
    *("num_workers", "output_folder", "ckpt_interval_minutes"),
    *("stage_shards_to", "shard_cache", "start_from"),
    *("front_end_cache", "front_end_folder"),  # its parameters are in the checkpoints
)
MAY_CHANGE = (*WITHOUT_EFFECT, "epochs", "patience")
# What an hparams file has found out: the record holds the values, so that a run keeps to them.
FOUND = (
    "n_speakers",
    "n_classes",
    "train_content",
    "start_content",
    "front_end_folder",
    "front_end_size",
)


class Experiment:
    """What a run is made with: resolved hyperparameters, and run options that change the result.

    Arguments
    ---------
    path : str
        The hparams file.
    hparams : dict
        As loaded from it.
    overrides : dict
        Of its keys.
    run_opts : speechbrain.utils.run_opts.RunOptions
    """

    def __init__(self, path, hparams, overrides, run_opts):
        self._hparams = Path(path).read_text(encoding="utf-8")
        self.overrides = overrides | {key: hparams[key] for key in FOUND if key in hparams}
        options = {key: run_opts[key] for key in RUN_OPTIONS if key in run_opts.overridden_args}
        self._options = json.dumps(options)
        self.text = self._resolve({})

    def _resolve(self, changed):
        resolved = resolve_references(self._hparams, {**self.overrides, **changed}).getvalue()
        return f"{resolved}\nrun_options: {self._options}\n"

    def difference(self, record, may_differ=()):
        """The first key in which the record of a run says something else.

        Arguments
        ---------
        record : Path
        may_differ : iterable of str
            Keys that do not count, nor does what refers to them.

        Returns
        -------
        (str, str or None, str or None) or None
            The key, its value in the record, and its value here.
        """
        then = settings(record.read_text(encoding="utf-8"))
        changed = {key: yaml.safe_load(then[key]) for key in may_differ if key in then}
        now = settings(self._resolve(changed))
        keys = now.keys() | then.keys()
        # What is made of others comes last: its text is long, and the others are what was changed.
        for key in sorted(keys, key=lambda key: ("!" in now.get(key, ""), key)):
            if now.get(key) != then.get(key):
                return key, then.get(key), now.get(key)
        return None


def check_experiment(folder, experiment):
    """Check that a run can be written, and that a run already there is the same experiment.

    Arguments
    ---------
    folder : str or Path
        The run's output folder.
    experiment : Experiment

    Raises
    ------
    RecipeError
        The folder is not writable, or holds another experiment. Only the number of epochs and what
        does not change the result may differ.
    """
    folder = Path(folder)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise RecipeError(f"output_folder {folder}: not writable; choose another")
    record = folder / RECORD
    if not record.is_file() or not any(folder.glob("save/CKPT+*")):
        return  # nothing has come of it yet
    if difference := experiment.difference(record, MAY_CHANGE):
        key, then, now = difference
        raise RecipeError(
            f"{folder} holds a run with {key}: {then}, now it is {now}: choose another "
            "--output_folder, or remove this one"
        )


@contextlib.contextmanager
def only_training(folder):
    """Make sure that no other training is at work in a folder meanwhile.

    Arguments
    ---------
    folder : str or Path
        The run's output folder.

    Raises
    ------
    RecipeError
        Another one is.
    """
    if rank() > 0:
        yield
        return
    busy = (
        f"{folder}: another training is at work there: wait for it, end it, or choose another "
        "--output_folder"
    )
    with exclusive(Path(folder) / ".lock", busy=busy):
        yield


def record_experiment(folder, text):
    """Write down what the run in a folder is made with, and the command that made it.

    Arguments
    ---------
    folder : str or Path
    text : str
        Of the Experiment.
    """
    with atomic_file(Path(folder) / RECORD) as fout:
        fout.write(f"# > {shlex.join(['python', *sys.argv])}\n{text}")


def is_same_experiment(folder, experiment):
    """Whether a folder holds the record of this experiment.

    Arguments
    ---------
    folder : str or Path
    experiment : Experiment

    Returns
    -------
    bool
    """
    record = Path(folder) / RECORD
    return record.is_file() and experiment.difference(record, WITHOUT_EFFECT) is None


def training_shards(folder):
    """The shards that a network was trained on.

    Arguments
    ---------
    folder : str or Path
        Output folder of the run, or its inference folder.

    Returns
    -------
    str
        Folders, separated by commas.

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
    if shards is None or not all(Path(folder).is_dir() for folder in split_sources(shards)):
        raise RecipeError(
            f"{folder}: the training shards, whose speakers are the cohort, are not in a local "
            f"folder ({shards or 'no record of them'}): give --train_shards_dir"
        )
    return shards

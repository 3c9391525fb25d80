"""One output folder, one experiment: what a run was made with, and whether it is complete."""

import contextlib
import io
import json
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import ruamel.yaml
import yaml
from hyperpyyaml import resolve_references

from local.errors import RecipeError, WriteError, write_errors
from local.files import atomic_file, exclusive, split_paths
from local.hparams import RECORD, HparamsFile, plain_values, settings
from local.processes import on_main, rank
from local.stored import is_damaged

RUN_OPTIONS = (
    *("precision", "eval_precision", "max_grad_norm", "grad_accumulation_factor"),
    "remove_vector_weight_decay",
)
WITHOUT_EFFECT = (
    *("num_workers", "output_folder", "ckpt_interval_minutes"),
    *("stage_shards_to", "shard_cache", "start_from"),
    *("front_end_cache", "front_end_folder"),  # its parameters are in the checkpoints
    *("noise_folder", "rir_folder"),  # their content counts
)
MAY_CHANGE = (*WITHOUT_EFFECT, "epochs", "patience")
NOT_COMPARED = ("train_loggers",)  # what only watches, made by a call
FOLLOWS = ("num_batches",)  # attributes of the data that follow from what is compared anyway
TESTED = "dev_eer.txt"  # the last that a training leaves
PARTS = (".ckpt", ".yaml")  # of a trained network, beside its code: never empty
UNKNOWN = "?"
EPOCH = r"CKPT\+epoch_(\d+)"  # the name of a checkpoint tells its epoch


class Experiment:
    """What a run is made with: resolved hyperparameters, and run options that change the result.

    What an hparams file finds out when it is loaded stands in the record as a value: attributes of
    its objects, such as ``<data.n_speakers>``, and results of its ``!apply``. With them go numbers
    for the training data and for recordings of noise and rooms, so that a run keeps to its data,
    and the length of a training that is told in steps.

    Arguments
    ---------
    hparams :
        As loaded from the file.
    """

    def __init__(self, hparams: dict, file: HparamsFile, run_opts):
        self._hparams, self._file, self.epochs = hparams, file.text, hparams["epochs"]
        tree = yaml.compose(file.text)
        made = {key.value for key, value in tree.value if value.tag.startswith("!apply:")}
        found = {key: hparams[key] for key in made & hparams.keys()}
        simple = {
            key: value for key, value in found.items() if isinstance(value, str | int | float)
        }
        options = {key: run_opts[key] for key in RUN_OPTIONS if key in run_opts.overridden_args}
        instead = {key: options.pop(key) for key in options.keys() & hparams.keys()}
        self._overrides = file.overrides | simple | instead
        self._more = {"run_options": options}
        if "data" in hparams:
            self._more["train_content"] = hparams["data"].content
            if hparams["data"].length:
                self._more["training_length"] = hparams["data"].length
        if recordings := getattr(hparams.get("augmentation"), "recordings", ""):
            self._more["recordings"] = recordings
        self.text = self._resolve({})

    def _resolve(self, changed, hidden=()):
        resolved = resolve_references(self._file, {**self._overrides, **changed}).getvalue()
        reader = ruamel.yaml.YAML()
        tree = reader.load(resolved)
        names = {id(value): key for key, value in tree.items()}
        self._fill_in(tree, names, hidden, set())
        stream = io.StringIO()
        reader.dump(tree, stream)
        more = "".join(f"{key}: {json.dumps(value)}\n" for key, value in self._more.items())
        return f"{stream.getvalue()}{more}"

    def _fill_in(self, node, names, hidden, seen):
        """Put values in the place of attributes of objects, which stand in the tree as getattr."""
        if id(node) in seen or not isinstance(node, dict | list):
            return
        seen.add(id(node))
        node.ca.items.clear()  # comments, which would come to stand in wrong places
        node.ca.comment = None
        for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
            if getattr(getattr(value, "tag", None), "value", None) == "!apply:getattr":
                name, attribute = names[id(value[0])], value[1]
                found = attribute not in hidden
                node[key] = getattr(self._hparams[name], attribute) if found else UNKNOWN
            else:
                self._fill_in(value, names, hidden, seen)

    def difference(
        self, record: Path, may_differ: Iterable[str] = ()
    ) -> tuple[str, str | None, str | None] | None:
        """The first key in which the record of a run says something else than this experiment.

        Keys of `may_differ` do not count, nor does what refers to them. Gives the key, its value in
        the record, and its value here, or None where there is no difference.
        """
        text = read_record(record)
        then, values = settings(text), plain_values(text)
        changed = {key: values[key] for key in may_differ if key in values}
        now = settings(self._resolve(changed, hidden=FOLLOWS))
        names = [key for key in now.keys() | then.keys() if now.get(key) != UNKNOWN]
        names = [key for key in names if key.partition(".")[0] not in NOT_COMPARED]
        # Keys of the command line come first, the parts of objects that are made of them last.
        for key in sorted(names, key=lambda name: (name.startswith("_"), name.count("."), name)):
            if now.get(key) != then.get(key):
                return key, then.get(key), now.get(key)
        return None


def check_experiment(folder: str | Path, experiment: Experiment) -> None:
    """Check that a run can be written, and that a run already there is the same experiment.

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
    names = (path.name for path in Path(folder, "save").iterdir())
    trained = [int(found[1]) for found in map(re.compile(EPOCH).match, names) if found]
    if (epochs := experiment.epochs) < max(trained, default=0):
        raise RecipeError(
            f"{folder} holds a run of {max(trained)} epochs, now epochs is {epochs}: give as many "
            "or more, or choose another --output_folder"
        )
    if difference := experiment.difference(record, MAY_CHANGE):
        key, then, now = difference
        held = f"a run with {key}: {then}, now it is {now}"
        if "train_index" in settings(read_record(record)):
            held = "a run of a former version, which can be verified but not continued"
        raise RecipeError(
            f"{folder} holds {held}: choose another --output_folder, or remove this one"
        )


@contextlib.contextmanager
def run_folder(folder: str | Path, experiment: Experiment, debug: bool) -> Iterator[Path | None]:
    """Keep a run's folder to one training at a time, and record there what it is made with.

    Yields the folder for what the training leaves: this one or, of a --debug run, which leaves
    nothing but its log, a temporary one; None where the run is complete, and nothing is to be done.

    Raises
    ------
    RecipeError
        Another training is at work there.
    """
    with contextlib.ExitStack() as stack:
        if rank() == 0:
            busy = f"{folder}: another training is at work there: wait for it, end it, or choose "
            lock = Path(folder) / ".lock"
            stack.enter_context(exclusive(lock, busy=f"{busy}another --output_folder"))
        if on_main(is_complete, folder, experiment):
            yield None
            return
        if debug:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
        elif rank() == 0:
            record_experiment(folder, experiment.text)
        stack.enter_context(_carries_on(folder))
        yield Path(folder)


@contextlib.contextmanager
def _carries_on(folder):
    """Add to what a full disk makes a training say how it will go on."""
    try:
        with write_errors(folder, failing={}):
            yield
    except WriteError as error:
        if not any(Path(folder).glob("save/CKPT+*")):
            raise
        text = f"{error}: it carries on from the last checkpoint, which is whole"
        raise WriteError(text, error.errno) from error


def record_experiment(folder: str | Path, text: str) -> None:
    """Write down what the run in a folder is made with, and the command that made it."""
    with atomic_file(Path(folder) / RECORD) as fout:
        fout.write(f"# > {shlex.join(['python', *sys.argv])}\n{text}")


def read_record(record: Path) -> str:
    """The YAML text that tells what a run was made with; a RecipeError where it is damaged."""
    try:
        text = record.read_text(encoding="utf-8")
        settings(text)
        return text
    except (ValueError, yaml.YAMLError):
        raise RecipeError(
            f"{record}: empty or damaged, so nothing tells what was made here: put a copy of it in "
            "its place or, for a run that you know to be the same, remove it, and train again"
        ) from None


def record_test(folder: str | Path, result: str) -> None:
    """Write down how the network of a run did in its test: the run is complete then."""
    with atomic_file(Path(folder) / TESTED) as fout:
        fout.write(f"{result}\n")


def is_complete(folder: str | Path, experiment: Experiment) -> bool:
    """Whether a run's folder holds the network of this experiment, and how it did in its test."""
    bundle, tested = Path(folder) / "inference", Path(folder) / TESTED
    left = [path for path in bundle.rglob("*") if path.suffix in PARTS]
    if not (bundle / RECORD).is_file() or any(map(is_damaged, [tested, *left])):
        return False
    return experiment.difference(bundle / RECORD, WITHOUT_EFFECT) is None


def training_shards(folder: str | Path) -> list[str]:
    """The folders of the shards that a network was trained on, from the folder of its run.

    Raises
    ------
    RecipeError
        No record of the run, or the shards are not there any more.
    """
    record = Path(folder) / RECORD
    shards = None
    if record.is_file():
        shards = plain_values(read_record(record)).get("train_shards")
    folders = split_paths(shards or "")
    if not all(folder and Path(folder).is_dir() for folder in folders):
        raise RecipeError(
            f"{folder}: the training shards, whose speakers are the cohort, are not in a local "
            f"folder ({shards or 'no record of them'}): give --train_shards_dir"
        )
    return folders

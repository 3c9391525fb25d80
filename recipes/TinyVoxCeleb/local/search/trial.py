"""One trial of a search: a training in a process of its own, followed epoch by epoch."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import numpy as np
from optuna.trial import FrozenTrial, Trial, TrialState
from speechbrain.utils.checkpoints import Checkpointer
from yaml import YAMLError

from local.errors import RecipeError, Stopped
from local.experiment import TESTED
from local.training.final_network import FINAL
from local.training.loggers import read_train_log
from local.training.stop_signals import StopRequest

SCRIPT = Path(__file__).resolve().parents[2] / "train_speaker_embeddings.py"
LOOK_EVERY = 0.5  # seconds between looks at the log of the training


def options(params: dict) -> list[str]:
    """The options of a training with these hyperparameters; numbers are rounded to four digits.

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


def train_trial(
    trial: Trial, folder: Path, arguments: list, lock: IO, stop_request: StopRequest
) -> tuple[float | None, TrialState]:
    """Train with the hyperparameters of a trial, until it is complete or known to be bad.

    The training carries on from its checkpoint, if it has one. It gets the arguments, the
    hyperparameters, and the lock of the trial; what it says goes to output.txt in its folder.

    Returns
    -------
    (float or None, optuna.trial.TrialState)
        COMPLETE with the val EER of the network that was tested; PRUNED without one, also where
        the training diverged: the sampler learns nothing from trials that fail.

    Raises
    ------
    Stopped
        A signal has come. The training has written a checkpoint.
    RecipeError
        The training has failed (the trial has then the state FAIL), or someone has stopped it.
    """
    command = [sys.executable, SCRIPT, *arguments, *options(trial.params)]
    command += ["--noprogressbar", "--output_folder", folder]
    output = folder / "output.txt"
    with open(output, "a", encoding="utf-8") as fout:
        streams = {"stdin": subprocess.DEVNULL, "stdout": fout, "stderr": subprocess.STDOUT}
        training = subprocess.Popen(command, **streams, pass_fds=[lock.fileno()])
    try:
        status = None
        while status is None:
            status = _wait(training)
            eers = val_eers(folder)
            known = trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values
            for epoch in sorted(eers.keys() - known.keys()):
                trial.report(eers[epoch], epoch)
                if trial.should_prune():  # also where the training was faster: it is to repeat
                    return None, TrialState.PRUNED
            if status != 0 and stop_request.number:
                name = signal.Signals(stop_request.number).name
                raise Stopped(
                    stop_request.number,
                    f"stopped by {name} in trial {trial.number} after {len(eers)} epochs; the same "
                    "command carries on",
                )
    finally:
        training.terminate()  # if it is still there; it writes a checkpoint
        training.wait()
    if status == 0:
        return val_eer_of_tested(folder), TrialState.COMPLETE
    last = (output.read_text(encoding="utf-8", errors="replace").splitlines() or ["no word"])[-1]
    if "the training has diverged" in last:
        trial.set_user_attr("why", "diverged")
        return None, TrialState.PRUNED
    if not 0 < status < 128:
        raise RecipeError(
            f"trial {trial.number}: its training was killed or stopped by a signal ({status}), see "
            f"{output}; the same command carries on"
        )
    trial.set_user_attr("why", last)
    trial.study.tell(trial, state=TrialState.FAIL)
    raise RecipeError(
        f"trial {trial.number}: its training has failed ({last}), see {output}: mend it, or leave "
        f"the values {' '.join(options(trial.params))} out of the search; the same command then "
        "goes on with another trial"
    )


def _wait(training):
    try:
        return training.wait(LOOK_EVERY)
    except subprocess.TimeoutExpired:
        return None


def val_eers(folder: Path) -> dict[int, float]:
    """The val EER of each epoch that the training in a folder has completed."""
    log = read_train_log(folder)
    if not log:
        return {}
    return dict(zip(log["epoch"].astype(int).tolist(), log["valid_eer"].tolist(), strict=True))


def val_eer_of_tested(folder: Path) -> float:
    """The val EER of the network that the complete training in a folder has tested.

    That of the best epoch, unless epochs are averaged or embeddings normalised after the last.
    """
    if (folder / FINAL).is_dir():
        try:
            (tested,) = Checkpointer(folder / FINAL).list_checkpoints()
            return tested.meta["val_eer"]
        except (ValueError, TypeError, KeyError, YAMLError):
            raise RecipeError(
                f"{folder / FINAL}: damaged: remove it and {folder / TESTED}; the same command "
                "then goes on"
            ) from None
    return min(val_eers(folder).values())


def lowest_val_eer(trial: FrozenTrial) -> float | None:
    """Of the network that was tested, or of the best epoch without one; None before the first."""
    if trial.state == TrialState.COMPLETE:
        return trial.value
    return min(trial.intermediate_values.values(), default=None)


def rank(trial: FrozenTrial) -> tuple[int, float]:
    """Sort key: the best first; then those that were pruned, are not done, and failed."""
    order = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING, TrialState.FAIL)
    eer = lowest_val_eer(trial)
    return order.index(trial.state), 1 if eer is None else eer


def table_row(trial: FrozenTrial) -> dict:
    """What is told of a trial: its number, state, val EER, epochs and hyperparameters."""
    eers, eer = trial.intermediate_values, lowest_val_eer(trial)
    words = options(trial.params)
    return {
        "trial": trial.number,
        "state": trial.user_attrs.get("why", trial.state.name.lower()),
        "val EER (%)": "" if eer is None else f"{100 * eer:.2f}",
        "best epoch": min(eers, key=eers.get) if eers else "",
        "epochs": len(eers),
        **dict(zip([word[2:] for word in words[::2]], words[1::2], strict=True)),
    }

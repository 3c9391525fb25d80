"""One trial: a training in a process of its own, followed epoch by epoch."""

import signal
import subprocess
import sys
from pathlib import Path

from optuna.trial import TrialState
from speechbrain.utils.checkpoints import Checkpointer

from local.errors import RecipeError, Stopped
from local.search.space import options
from local.training.final_network import FINAL
from local.training.loggers import read_train_log

SCRIPT = Path(__file__).resolve().parents[2] / "train_speaker_embeddings.py"
LOOK_EVERY = 0.5  # seconds between looks at the log of the training


def train_trial(trial, folder, arguments, lock, stop_request):
    """Train with the hyperparameters of a trial, until it is complete or known to be bad.

    The training carries on from its checkpoint, if it has one.

    Arguments
    ---------
    trial : optuna.trial.Trial
    folder : Path
        Output folder of the training, to whose output.txt goes what it says.
    arguments : list of str
        Of the training, without the hyperparameters of the trial.
    lock : file object
        Of the trial; the training gets it too.
    stop_request : StopRequest

    Returns
    -------
    (float or None, optuna.trial.TrialState)
        The val EER of what was tested and COMPLETE; PRUNED without it, also where the training
        diverged: the sampler learns nothing from trials that fail.

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


def val_eers(folder):
    """The val EER of each epoch that a training has completed.

    Arguments
    ---------
    folder : Path
        Its output folder.

    Returns
    -------
    dict of int to float
    """
    log = read_train_log(folder)
    if not log:
        return {}
    return dict(zip(log["epoch"].astype(int).tolist(), log["valid_eer"].tolist(), strict=True))


def val_eer_of_tested(folder):
    """The val EER of the network that a complete training has tested.

    That of the best epoch, unless epochs are averaged or embeddings normalised after the last.

    Arguments
    ---------
    folder : Path
        Its output folder.

    Returns
    -------
    float
    """
    if (folder / FINAL).is_dir():
        (tested,) = Checkpointer(folder / FINAL).list_checkpoints()
        return tested.meta["val_eer"]
    return min(val_eers(folder).values())

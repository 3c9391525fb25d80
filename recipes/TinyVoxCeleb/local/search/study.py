"""A study in a folder, on which any number of processes work at once, and what it has found."""

import csv
import fcntl
import shlex
import warnings
from pathlib import Path
from typing import IO

import matplotlib.pyplot as plt
import numpy as np
import optuna
from matplotlib.ticker import LogLocator, PercentFormatter
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.study import Study
from optuna.trial import Trial, TrialState
from optuna.visualization.matplotlib import (
    plot_optimization_history,
    plot_param_importances,
    plot_slice,
)

from local.errors import RecipeError
from local.experiment import RECORD, WITHOUT_EFFECT, Experiment, record_experiment
from local.files import atomic_file, exclusive
from local.hparams import complete_text, settings
from local.search.space import Sweep
from local.search.trial import options, rank, table_row

COMMAND = "command"  # user attribute of a study: the arguments of its trainings
STARTED = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)


class SharedStudy:
    """An Optuna study with its journal, and a folder for each trial.

    A trial is worked on by whoever holds the lock in its folder. The lock is shared with the
    training, so it is free once both have ended, however they did; a trial that the study calls
    running and whose lock is free was interrupted. (Optuna's heartbeat is not for journals.) The
    folder is on a file system whose locks hold between all machines that work on the study, as
    those of NFS do.
    """

    def __init__(self, folder: Path, sweep: Sweep):
        self.folder, self.sweep = folder, sweep
        # The study's own copy: trainings that are yet to begin do not see what is edited meanwhile.
        self.hparams_file = self.folder / "hparams.yaml"
        with exclusive(self.folder / ".lock"):
            self.study = open_study(self.folder)
        self.study.pruner = sweep.pruner

    def check(self, experiment: Experiment, arguments: list[str]) -> None:
        """Write down what the study is made with, or compare it with what was written down.

        The experiment is without the searched keys; the arguments are those of every training, the
        hparams file first.

        Raises
        ------
        RecipeError
            It is another study. Only the number of trials may differ.
        """
        record, sweep = self.folder / RECORD, self.folder / "sweep.yaml"
        with exclusive(self.folder / ".lock"):
            if not record.is_file():  # it is written last
                with atomic_file(sweep) as fout:
                    fout.write(self.sweep.text)
                with atomic_file(self.hparams_file) as fout:
                    fout.write(complete_text(arguments[0]))  # whatever becomes of its base
                self.study.set_user_attr(COMMAND, arguments)
                record_experiment(self.folder, experiment.text)
                return
        difference = experiment.difference(record, WITHOUT_EFFECT)
        then, now = settings(sweep.read_text(encoding="utf-8")), settings(self.sweep.text)
        for key in sorted((now.keys() | then.keys()) - {"n_trials"}):
            if now.get(key) != then.get(key):
                difference = difference or (key, then.get(key), now.get(key))
        if difference:
            key, then, now = difference
            raise RecipeError(
                f"{self.folder} holds a study with {key}: {then}, now it is {now}: choose another "
                "--study_folder, or remove this one"
            )

    def next_trial(self) -> tuple[Trial, Path, IO] | None:
        """A trial to work on: one that was interrupted, or a new one. Failed trials do not count.

        Returns
        -------
        (optuna.trial.Trial, Path, file object) or None
            The trial, its folder, and its lock, to be closed when the study knows the result; None
            if there is nothing left to start.

        Raises
        ------
        RecipeError
            The file system knows no locks.
        """
        with exclusive(self.folder / ".lock"):
            for running in self.study.get_trials(states=(TrialState.RUNNING,)):
                folder = self._folder(running.number)
                lock = _claim(folder)
                if lock is None:
                    continue
                frozen = self.study.get_trials()[running.number]  # it may have ended meanwhile
                if frozen.state == TrialState.RUNNING:
                    trial = Trial(self.study, frozen._trial_id)
                    if frozen.params.keys() == self.sweep.space.keys():
                        return trial, folder, lock
                    self.study.tell(trial, state=TrialState.FAIL)  # killed while it was drawn
                lock.close()
            if len(self.study.get_trials(states=STARTED)) >= self.sweep.n_trials:
                return None
            # Processes that all begin with one seed would all draw the same.
            seed = self.sweep.seed * 10_000 + len(self.study.get_trials())
            self.study.sampler = self.sweep.sampler(seed=seed)
            trial = self.study.ask(self.sweep.space)
            folder = self._folder(trial.number)
            return trial, folder, _claim(folder)

    def _folder(self, number):
        return self.folder / "trials" / str(number)


def open_study(folder: Path) -> Study:
    """Open the study in a folder, or begin one; its value is the val EER, which is minimised."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = str(folder.resolve() / "journal.log")
    # Exclusive creation holds on NFS from version 3 on. Optuna's default, a symbolic link, is for
    # older ones; where a kill left it, whoever comes next may wait for ever.
    lock = JournalFileOpenLock(path)
    backend = JournalFileBackend(path, lock)
    _remove_half_a_line(path, lock)
    return optuna.create_study(
        storage=JournalStorage(backend),
        study_name="sweep",
        direction="minimize",
        load_if_exists=True,
    )


def _remove_half_a_line(path, lock):
    """What a full disk left at the end of a journal would spoil the next entry."""
    lock.acquire()
    try:
        with open(path, "rb+") as journal:
            journal.truncate(journal.read().rfind(b"\n") + 1)
    finally:
        lock.release()


def _claim(folder):
    """The lock of a trial, open, or None where another process holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = open(folder / ".trial_lock", "a")  # noqa: SIM115 - it outlives this function
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    except OSError as error:
        lock.close()
        raise RecipeError(
            f"--study_folder: the file system of {folder} knows no locks ({error.strerror}), by "
            "which processes share the trials; choose a folder elsewhere"
        ) from None
    return lock


def write_report(folder: Path) -> str:
    """Write trials.md, trials.csv and pictures of the trials as PNG into the folder of a study.

    Returns the best trial, and the command that trains it; or that there is none yet.

    Raises
    ------
    RecipeError
        There is no study.
    """
    if not (folder / RECORD).is_file():
        raise RecipeError(f"--study_folder {folder}: no study there; start the search first")
    study = open_study(folder)
    trials = study.get_trials()
    rows = [table_row(trial) for trial in trials]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with atomic_file(folder / "trials.csv") as fout:
        writer = csv.DictWriter(fout, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    best = _best(trials)
    found = f"{folder}: no complete trial yet"
    if best is not None:
        words = ["python", "train_speaker_embeddings.py", *study.user_attrs[COMMAND]]
        words += [*options(best.params), "--output_folder", str(folder / "best")]
        found = f"best: trial {best.number}, val EER {best.value:.2%}\n> {shlex.join(words)}"
        _draw(study, folder)
    with atomic_file(folder / "trials.md") as fout:
        fout.write(f"{found}\n\n| {' | '.join(columns)} |\n|{' --- |' * len(columns)}\n")
        for trial in sorted(trials, key=rank):
            row = rows[trial.number]
            fout.write(f"| {' | '.join(str(row.get(key, '')) for key in columns)} |\n")
    return found


def progress(study: Study, number: int) -> str:
    """One line on the trial of a number, which has just ended."""
    trials = study.get_trials()
    row, best = table_row(trials[number]), _best(trials)
    words = [f"{row['state']} after {row['epochs']} epochs"]
    if row["val EER (%)"]:
        words.append(f"val EER {row['val EER (%)']}%")
    if best:
        words.append(f"best {best.value:.2%} (trial {best.number})")
    return f"{', '.join(words)}: {shlex.join(options(trials[number].params))}"


def _best(trials):
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return min(complete, key=lambda trial: trial.value, default=None)


def _draw(study, folder):
    plt.switch_backend("agg")  # files, on machines with and without a screen
    with warnings.catch_warnings(), plt.rc_context():
        warnings.simplefilter("ignore")  # Optuna may change these pictures
        history = plot_optimization_history(study, target_name="val EER")
        history.yaxis.set_major_formatter(PercentFormatter(1))
        _save(history, folder / "history.png")
        slices = np.ravel(plot_slice(study, target_name="val EER"))
        slices[0].yaxis.set_major_formatter(PercentFormatter(1))
        for axes in slices:
            axes.tick_params(axis="x", labelrotation=90)
            if axes.get_xscale() == "log":
                axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
                axes.xaxis.set_major_formatter("{x:g}")
                axes.minorticks_off()
        slices[0].figure.set_size_inches(2 + 2.5 * len(slices), 5)
        _save(slices[0], folder / "slices.png")
        complete = study.get_trials(states=(TrialState.COMPLETE,))
        if len({trial.value for trial in complete}) > 1:
            importances = plot_param_importances(study, target_name="val EER")
            importances.get_legend().remove()
            _save(importances, folder / "importances.png")


def _save(axes, path):
    with atomic_file(path, "wb") as fout:
        axes.figure.savefig(fout, format="png", dpi=120, bbox_inches="tight")
    plt.close(axes.figure)

"""A study in a folder, on which any number of processes work at the same time."""

import fcntl
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import Trial, TrialState

from local.errors import RecipeError
from local.experiment import RECORD, WITHOUT_EFFECT, record_experiment
from local.files import atomic_file, exclusive
from local.hparams import settings

COMMAND = "command"  # user attribute of a study: the arguments of its trainings
STARTED = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)


class SharedStudy:
    """An Optuna study with its journal, and a folder for each trial.

    A trial is worked on by whoever holds the lock in its folder. The lock is shared with the
    training, so it is free once both have ended, however they did; a trial that the study calls
    running and whose lock is free was interrupted. (Optuna's heartbeat is not for journals.)

    Arguments
    ---------
    folder : str or Path
        On a file system whose locks hold between all machines that work on the study, as those of
        NFS do.
    sweep : Sweep

    Attributes
    ----------
    study : optuna.study.Study
    hparams_file : Path
        The study's own copy: trainings that are yet to begin do not see what is edited meanwhile.
    """

    def __init__(self, folder, sweep):
        self.folder, self.sweep = Path(folder), sweep
        self.hparams_file = self.folder / "hparams.yaml"
        with exclusive(self.folder / ".lock"):
            self.study = open_study(self.folder)
        self.study.pruner = sweep.pruner

    def check(self, experiment, of_training):
        """Write down what the study is made with, or compare it with what was written down.

        Arguments
        ---------
        experiment : Experiment
            Of the hparams file, without the searched keys.
        of_training : list of str
            The arguments of every training; the first is the hparams file.

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
                    fout.write(Path(of_training[0]).read_text(encoding="utf-8"))
                self.study.set_user_attr(COMMAND, of_training)
                record_experiment(self.folder, experiment.text)
                return
        difference = experiment.difference(record, WITHOUT_EFFECT)
        then, now = settings(sweep.read_text(encoding="utf-8")), settings(self.sweep.text)
        for key in sorted(now.keys() - {"n_trials"}):
            if now[key] != then[key]:
                difference = difference or (key, then[key], now[key])
        if difference:
            key, then, now = difference
            raise RecipeError(
                f"{self.folder} holds a study with {key}: {then}, now it is {now}: choose another "
                "--study_folder, or remove this one"
            )

    def next_trial(self):
        """A trial to work on: one that was interrupted, or a new one.

        Trials that failed do not count.

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
            self.study.sampler = self.sweep.sampler(seed=self._seed())
            trial = self.study.ask(self.sweep.space)
            folder = self._folder(trial.number)
            return trial, folder, _claim(folder)

    def _seed(self):
        return self.sweep.seed * 10_000 + len(self.study.get_trials())

    def _folder(self, number):
        return self.folder / "trials" / str(number)


def open_study(folder):
    """Open the study in a folder, or begin one.

    Arguments
    ---------
    folder : Path

    Returns
    -------
    optuna.study.Study
        To be minimised.
    """
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

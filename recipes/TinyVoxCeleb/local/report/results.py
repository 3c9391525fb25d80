"""A scored run in memory, with what its training has left."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from local.embeddings import join, read_embeddings
from local.scoring.trials import TrialList
from local.training.loggers import read_train_log


@dataclass(frozen=True)
class ScoredList:
    """One trial list with its scores and what was measured on it.

    Arguments
    ---------
    name : str
    trials : TrialList
    scores : numpy.ndarray
        As the score file has them, shape (trials,).
    evaluation : dict or None
        Metrics with intervals; None where the list has no labels.
    breakdown : list of dict
        The groups of its trials.
    """

    name: str
    trials: TrialList
    scores: np.ndarray
    evaluation: dict | None
    breakdown: list

    @property
    def labelled(self):
        """Scores and labels of the trials whose label is known, each of shape (known trials,)."""
        known = self.trials.labels >= 0
        return self.scores[known], self.trials.labels[known]

    @property
    def content(self):
        """A digest of the trials, equal for lists that can be compared."""
        trials = self.trials
        text = "\n".join(map(str, (trials.labels.tolist(), trials.enrol, trials.test)))
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True)
class Result:
    """One scored run.

    Arguments
    ---------
    label : str
        Its name in the report, different from that of every other result there.
    path : Path
        The JSON file that it was read from.
    about : dict
        What that file holds.
    lists : list of ScoredList
    """

    label: str
    path: Path
    about: dict
    lists: list

    @property
    def run(self):
        """The folder of the training run, also where it was moved with the scores in it."""
        run = Path(self.about["run"])
        return run if run.is_dir() else self.path.parent

    def text(self, name):
        """The text of a file of the run, or None where there is none."""
        path = self.run / name
        if not path.is_file():
            return None
        return path.read_text(encoding="utf-8", errors="replace")

    def train_log(self):
        """The columns of the training log, see `read_train_log`."""
        return read_train_log(self.run)

    @cached_property
    def embeddings(self):
        """The cached embeddings of all shards, or None where a cache is not there any more."""
        paths = [locate(path, self.run / "embeddings") for path in self.about.get("embeddings", [])]
        if not paths or not all(path.is_file() for path in paths):
            return None
        return join([read_embeddings(path) for path in paths])


def locate(path, folder):
    """A file where it was recorded or, if the run was moved since, of the same name in a folder."""
    path = Path(path)
    return path if path.exists() else Path(folder) / path.name

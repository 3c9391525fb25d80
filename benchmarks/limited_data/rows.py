"""Finished rows, kept in a CSV file that is committed."""

import csv
import statistics
import threading
from collections import Counter

from benchmarks.limited_data.lists import LISTS, MEASURES
from local.files import atomic_file

COLUMNS = (
    *("hparams", "file", "options", "speakers", "seed", "commit", "cpu_minutes", "val_eer"),
    *("choice", *(f"{key}_{name}" for key in LISTS for name in MEASURES)),
)


class Rows:
    """The rows of a CSV file, one a run: made with the first row; written anew, whole, with each.

    Its column `file` is a checksum of the values of the hparams file; `commit` tells by which state
    of the code a row was measured.
    """

    def __init__(self, path):
        self.path = path
        self._lock = threading.Lock()
        self.rows = []
        if path.is_file():
            with open(path, encoding="utf-8", newline="") as fin:
                self.rows = list(csv.DictReader(fin))

    def of(self, experiment):
        """The latest rows of an experiment, by seed; those of other settings are left out."""
        return _by_seed(self._matching(experiment))

    def of_one_commit(self, experiments):
        """The rows of experiments that are compared with each other.

        They are as `of` gives them, but where a seed was measured by several commits, it is the row
        of the commit that most of all these rows are of.
        """
        found = [self._matching(experiment) for experiment in experiments]
        share = Counter(row["commit"] for rows in found for row in rows)
        return [_by_seed(sorted(rows, key=lambda row: share[row["commit"]])) for rows in found]

    def _matching(self, experiment):
        settings = experiment.settings
        return [row for row in self.rows if settings.items() <= row.items()]

    def add(self, row):
        """Keep a row."""
        with self._lock:
            self.rows.append({key: str(value) for key, value in row.items()})
            with atomic_file(self.path) as fout:
                writer = csv.DictWriter(fout, COLUMNS, lineterminator="\n")
                writer.writeheader()
                writer.writerows(self.rows)


def _by_seed(rows):
    return {int(row["seed"]): row for row in rows}


def column(rows, name):
    """A column of rows as numbers."""
    return [float(row[name]) for row in rows]


def mean(rows, name):
    """Mean of a column."""
    return statistics.mean(column(rows, name))

"""Training curves that a resumed run continues: a CSV, which others read, and TensorBoard."""

import csv
from pathlib import Path

import numpy as np
from speechbrain.utils.distributed import main_process_only
from speechbrain.utils.train_logger import TensorboardLogger, TrainLogger

from local.errors import RecipeError
from local.files import atomic_file


class CsvLogger(TrainLogger):
    """One row an epoch, one column a quantity; an epoch that is run again replaces its row.

    Arguments
    ---------
    save_file : str
        The CSV file.

    Example
    -------
    >>> logger = CsvLogger(getfixture("tmp_path") / "train_log.csv")
    >>> logger.log_stats({"epoch": 1}, train_stats={"loss": 2.0}, valid_stats={"eer": 0.5})
    >>> logger.log_stats({"epoch": 1}, train_stats={"loss": 1.0}, valid_stats={"eer": 0.25})
    >>> print(logger.save_file.read_text().strip())
    epoch,train_loss,valid_eer
    1,1.0,0.25
    """

    def __init__(self, save_file):
        self.save_file = Path(save_file)

    @main_process_only
    def log_stats(
        self, stats_meta, train_stats=None, valid_stats=None, test_stats=None, verbose=False
    ):
        """See TrainLogger.log_stats; statistics without an epoch (of the test) are left out."""
        if "epoch" not in stats_meta:
            return
        row = {key: str(value) for key, value in stats_meta.items()}
        for name, stats in (("train", train_stats), ("valid", valid_stats), ("test", test_stats)):
            row |= {f"{name}_{key}": str(value) for key, value in (stats or {}).items()}
        rows = [old for old in _rows(self.save_file) if int(old["epoch"]) < int(row["epoch"])]
        with atomic_file(self.save_file) as fout:
            writer = csv.DictWriter(fout, list(row), restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows([*rows, row])


def read_train_log(folder):
    """Read the log of a training, also while it goes on.

    Arguments
    ---------
    folder : str or Path
        Its output folder.

    Returns
    -------
    dict of str to numpy.ndarray
        By the name of the column, shape (epochs,), NaN where a cell is empty; no columns where
        there is no log.

    Raises
    ------
    RecipeError
        A file that is no table of numbers.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> CsvLogger(folder / "train_log.csv").log_stats({"epoch": 1}, valid_stats={"eer": 0.25})
    >>> read_train_log(folder)["valid_eer"]
    array([0.25])
    """
    path = Path(folder) / "train_log.csv"
    try:
        rows = _rows(path)
        return {
            column: np.array([float(row[column] or "nan") for row in rows])
            for column in (rows[0] if rows else ())
        }
    except (TypeError, ValueError):
        raise RecipeError(
            f"{path}: not a table of numbers; put the file that the training wrote in its place, "
            "or remove it"
        ) from None


def _rows(path):
    if not path.is_file():
        return []
    with open(path, encoding="utf-8", newline="") as fin:
        return list(csv.DictReader(fin))


class EpochTensorboardLogger(TensorboardLogger):
    """SpeechBrain's TensorboardLogger with the epoch as the step, so that resumed curves go on.

    Its parent counts calls from 1 in each process, and opens its event file when the YAML is
    loaded; this one opens it with the first statistics.

    Arguments
    ---------
    save_dir : str
        Folder of the event files.
    """

    def __init__(self, save_dir):
        self.save_dir = save_dir
        self.writer = None

    @main_process_only
    def log_stats(
        self, stats_meta, train_stats=None, valid_stats=None, test_stats=None, verbose=False
    ):
        """See TrainLogger.log_stats; tags are "loss/train", "eer/valid" and so on."""
        if self.writer is None:
            super().__init__(self.save_dir)
        before = next(iter(stats_meta.values()), 1) - 1  # an epoch comes first in it
        self.global_step = {"meta": before}
        for name, stats in (("train", train_stats), ("valid", valid_stats), ("test", test_stats)):
            self.global_step[name] = dict.fromkeys(stats or {}, before)
        super().log_stats(stats_meta, train_stats, valid_stats, test_stats)
        self.writer.flush()

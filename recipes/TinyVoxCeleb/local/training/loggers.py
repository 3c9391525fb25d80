"""Training curves that a resumed run continues: a CSV, which others read, and TensorBoard."""

import csv
import logging
import re
import sys
from pathlib import Path

import numpy as np
from speechbrain.utils.distributed import main_process_only
from speechbrain.utils.logger import TqdmCompatibleStreamHandler, get_logger

from local.errors import RecipeError, stop_writing, write_errors
from local.files import atomic_file
from local.training.trackers import make_tracker

# After the trackers, which see to it that SpeechBrain's loggers do not warn of torchvision.
from speechbrain.utils.train_logger import (  # isort: skip
    FileTrainLogger,
    TensorboardLogger,
    TrainLogger,
)

logger = get_logger(__name__)


class Screen(TqdmCompatibleStreamHandler):
    """Lines on the screen, as long as somebody reads them: `... | head` does not end a training."""

    def handleError(self, record):  # noqa: N802 - as logging calls it
        if isinstance(sys.exc_info()[1], BrokenPipeError):
            stop_writing()
        else:
            super().handleError(record)


def standard_loggers(output_folder: str, *trackers: str) -> list[TrainLogger]:
    """Loggers that leave train_log.txt, train_log.csv and tensorboard/ in the output folder.

    Trackers beside them are named: "wandb" and "mlflow", see `local.training.trackers`.
    """
    return [
        TextLogger(save_file=f"{output_folder}/train_log.txt", precision=4),
        CsvLogger(f"{output_folder}/train_log.csv"),
        EpochTensorboardLogger(f"{output_folder}/tensorboard"),
        *(make_tracker(name, output_folder) for name in trackers),
    ]


def log_epoch(
    train_loggers: list[TrainLogger],
    epoch: int,
    learning_rate: float,
    train_stats: dict[str, float],
    valid_stats: dict[str, float],
) -> None:
    """Write the statistics of an epoch to the log and to all loggers.

    `train_stats` are loss, accuracy, grad_norm and clipped; `valid_stats` loss, accuracy and eer.
    """
    logger.info(
        f"epoch {epoch}: "
        + "train loss {loss:.3f}, accuracy {accuracy:.1%}, gradient norm {grad_norm:.3g} "
        "({clipped:.0%} clipped)".format(**train_stats)
        + "; val loss {loss:.3f}, accuracy {accuracy:.1%}, EER {eer:.2%}".format(**valid_stats)
    )
    meta = {"epoch": epoch, "lr": float(f"{learning_rate:.6g}")}  # computed as float32
    _log(train_loggers, meta, train_stats=train_stats, valid_stats=valid_stats)


def log_test(train_loggers: list[TrainLogger], meta: dict, eer: float, result: str) -> None:
    """Write the EER of the test to all loggers, and its result, a sentence, to the log."""
    logger.info(result)
    _log(train_loggers, meta, test_stats={"eer": eer})


def _log(train_loggers, meta, **stats):
    for train_logger in train_loggers:
        path = getattr(train_logger, "save_file", getattr(train_logger, "save_dir", "its log"))
        with write_errors(path):
            train_logger.log_stats(meta, **stats)


class LogFile(logging.FileHandler):
    """A log file that cannot be written ends the program: the parent tells of it and goes on."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{"errors": "backslashreplace", **kwargs})

    def handleError(self, record):  # noqa: N802
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):  # a message that does not fit its arguments, say
            super().handleError(record)
            return
        with write_errors(self.baseFilename):
            raise error


class TextLogger(FileTrainLogger):
    """SpeechBrain's FileTrainLogger; the line of an epoch or a test run again replaces the old one.

    A run that is killed between the log and the checkpoint runs its last epoch again.

    Example
    -------
    >>> path = getfixture("tmp_path") / "train_log.txt"
    >>> _ = path.write_text("epoch: 1 - test eer: 0.5\\nepoch: 2 - test eer: 0.4\\nepoch: 3 - ")
    >>> TextLogger(path).log_stats({"epoch": 2}, test_stats={"eer": 2.5})
    >>> path.read_text().splitlines()
    ['epoch: 1 - test eer: 0.5', 'epoch: 2 - test eer: 2.50']
    """

    @main_process_only
    def log_stats(self, stats_meta, *args, **kwargs):
        """See TrainLogger.log_stats; the first number of `stats_meta` is that of the epoch."""
        (name, number), *_ = stats_meta.items()
        path, line = Path(self.save_file), re.compile(rf"{re.escape(name)}: (\d+)\b")
        lines = path.read_text(encoding="utf-8").splitlines(True) if path.is_file() else []
        count = len(lines)
        while lines:
            again = line.match(lines[-1])
            if lines[-1].endswith("\n") and not (again and int(again[1]) >= number):
                break
            lines.pop()
        if len(lines) < count:
            with atomic_file(path) as fout:
                fout.writelines(lines)
        super().log_stats(stats_meta, *args, **kwargs)


class CsvLogger(TrainLogger):
    """A CSV file of one row an epoch, one column a quantity; an epoch run again replaces its row.

    Example
    -------
    >>> logger = CsvLogger(getfixture("tmp_path") / "train_log.csv")
    >>> logger.log_stats({"epoch": 1}, train_stats={"loss": 2.0}, valid_stats={"eer": 0.5})
    >>> logger.log_stats({"epoch": 1}, train_stats={"loss": 1.0}, valid_stats={"eer": 0.25})
    >>> print(logger.save_file.read_text().strip())
    epoch,train_loss,valid_eer
    1,1.0,0.25
    """

    def __init__(self, save_file: str | Path):
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


def read_train_log(folder: str | Path) -> dict[str, np.ndarray]:
    """Read the log of a training from its output folder, also while it goes on.

    Gives the values of each column, shape (epochs,), NaN where a cell is empty; no columns where
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
    loaded; this one opens it in the folder `save_dir` with the first statistics.
    """

    def __init__(self, save_dir: str):
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

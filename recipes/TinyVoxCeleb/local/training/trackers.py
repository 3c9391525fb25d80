"""Trackers of experiments, by name: Weights & Biases and MLflow, beside the files of a run.

Where their runs go is up to them: `wandb login` or WANDB_MODE=offline, and MLFLOW_TRACKING_URI.
A tracker that fails ends no training: what it would show stands in train_log.csv, too.
"""

import hashlib
import importlib.util
import logging
import time
from pathlib import Path

from speechbrain.utils.distributed import main_process_only
from speechbrain.utils.logger import get_logger

from local.errors import RecipeError

# What SpeechBrain says when its loggers are imported; nothing here draws spectrograms.
logging.getLogger("speechbrain.utils.train_logger").addFilter(
    lambda record: "torchvision" not in record.getMessage()
)
from speechbrain.utils.train_logger import TrainLogger, WandBLogger  # noqa: E402

PROJECT = "TinyVoxCeleb"

logger = get_logger(__name__)


class Tracker(TrainLogger):
    """A logger whose run begins with the first statistics, and that is left out once it fails.

    Arguments
    ---------
    output_folder
        Of the training: one that carries on goes on with the run that it has there.
    """

    package: str

    def __init__(self, output_folder: str):
        self.save_dir = str(output_folder)
        self.folder = Path(output_folder).absolute()
        self.id = hashlib.sha256(str(self.folder).encode("utf-8", "surrogateescape")).hexdigest()
        self.failed = False

    @main_process_only
    def log_stats(
        self, stats_meta, train_stats=None, valid_stats=None, test_stats=None, verbose=False
    ):
        """See TrainLogger.log_stats."""
        if self.failed:
            return
        try:
            self.send(stats_meta, {"train": train_stats, "valid": valid_stats, "test": test_stats})
        except Exception as error:  # whatever a service, its client or the network has
            self.failed = True
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            logger.warning(f"train_loggers: {self.package} gets no more of this run ({reason})")

    def send(self, meta: dict, stats: dict[str, dict[str, float] | None]) -> None:
        """Send the statistics of each kind that there are."""
        raise NotImplementedError


class WandB(Tracker):
    """Weights & Biases, by SpeechBrain's WandBLogger."""

    package = "wandb"
    run = None

    def send(self, meta, stats):
        """See Tracker; names are "train.loss" and so on, the step is the epoch."""
        import wandb  # a package that only those have who name it

        if self.run is None:
            options = {"project": PROJECT, "name": self.folder.name, "dir": self.save_dir}
            # Begun here: WandBLogger raises a TypeError in the place of any error of wandb's.
            begun = wandb.init(**options, id=self.id[:32], resume="allow")
            self.run = WandBLogger(lambda: begun)
        self.run.log_stats(meta, *stats.values())


class MLflow(Tracker):
    """MLflow, which SpeechBrain has no logger for."""

    package = "mlflow"
    run = None

    def send(self, meta, stats):
        """See Tracker; names are "train_loss" and so on, as in train_log.csv."""
        from mlflow import MlflowClient  # a package that only those have who name it
        from mlflow.entities import Metric

        client = MlflowClient()
        if self.run is None:
            self.run = self._begin(client)
        # An epoch, or under another name the number of the last one, comes first.
        step, now = next(iter(meta.values()), 0), round(1000 * time.time())
        values = {key: value for key, value in meta.items() if key == "lr"}
        for name, part in stats.items():
            values |= {f"{name}_{key}": value for key, value in (part or {}).items()}
        metrics = [Metric(key, float(value), now, step) for key, value in values.items()]
        client.log_batch(self.run, metrics=metrics)

    def _begin(self, client):
        """The id of the run of this folder, or of a new one."""
        found = client.get_experiment_by_name(PROJECT)
        experiment = found.experiment_id if found else client.create_experiment(PROJECT)
        tags = {"output_folder": self.id}
        runs = client.search_runs([experiment], f"tags.output_folder = '{self.id}'")
        run = runs[0] if runs else client.create_run(experiment, None, tags, self.folder.name)
        return run.info.run_id


TRACKERS = {kind.package: kind for kind in (WandB, MLflow)}


def make_tracker(name: str, output_folder: str) -> Tracker:
    """The tracker of that name; a RecipeError where it is unknown or not installed."""
    if name not in TRACKERS:
        raise RecipeError(
            f"train_loggers: found {name!r}, expected some of {', '.join(TRACKERS)} after the "
            "output folder"
        )
    if importlib.util.find_spec(name) is None:
        raise RecipeError(
            f"train_loggers: {name} is not installed: pip install {name}, or take it out of the "
            "hparams file"
        )
    return TRACKERS[name](output_folder)

"""Search for hyperparameters: many trainings, of which the bad ones are stopped early."""

from local.search.space import read_sweep
from local.search.study import SharedStudy, progress, write_report
from local.search.trial import train_trial

__all__ = ["SharedStudy", "progress", "read_sweep", "train_trial", "write_report"]

"""Hyperparameter files and command-line options: read, completed, checked, loaded."""

from local.hparams.composing import RECORD, complete_text
from local.hparams.loading import HparamsFile, load_hparams, parse_arguments, read_hparams
from local.hparams.nodes import plain_values, settings

__all__ = [
    "RECORD",
    "HparamsFile",
    "complete_text",
    "load_hparams",
    "parse_arguments",
    "plain_values",
    "read_hparams",
    "settings",
]

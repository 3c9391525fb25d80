#!/usr/bin/env python3
r"""Suggest a learning rate for an experiment, by 100 batches of it at rising rates.

To run this recipe:
> python find_learning_rate.py hparams/prototype.yaml --shard_folder SHARDS \
>     --val_trials_path val_trials.txt --dev_trials_path dev_trials.txt

It takes the arguments of train_speaker_embeddings.py. The curve is left in lr_finder/ in the output
folder; a training there is neither changed nor continued.

Authors
 * The TinyVoxCeleb authors 2026
"""

import os
import sys
from pathlib import Path

from local.bundle.start_from import start_from
from local.errors import RecipeError, one_line_errors
from local.hparams import load_hparams, parse_arguments
from local.processes import training_processes
from local.training.lr_finder import rising_rates, suggest, write_curve
from train_speaker_embeddings import SpeakerBrain


def main(argv):
    """Parse, prepare, train a little, and write what came of it."""
    hparams_file, run_opts, overrides = parse_arguments(argv, __doc__)
    with one_line_errors(run_opts.debug):
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise RecipeError("the learning rate is sought in one process: leave torchrun out")
        with training_processes(run_opts) as run_opts:
            hparams, _ = load_hparams(hparams_file, overrides, run_opts)
            start_from(hparams)
            brain = SpeakerBrain(hparams["modules"], hparams["opt_class"], hparams, run_opts)
            loader = hparams["data"].train_loader(pin_memory=run_opts.device != "cpu")
            rates, losses = rising_rates(brain, loader)
            suggestion = suggest(rates, losses)
            folder = Path(hparams["output_folder"]) / "lr_finder"
            write_curve(folder, rates, losses, suggestion)
            print(
                f"suggestion: --learning_rate {suggestion:.2g}, a tenth of the rate at which the "
                f"loss is at its least; see {folder}/lr_finder.png"
            )


if __name__ == "__main__":
    main(sys.argv[1:])

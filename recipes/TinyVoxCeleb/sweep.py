#!/usr/bin/env python3
r"""Search for the hyperparameters with the lowest val EER.

To run this recipe:
> python sweep.py hparams/ecapa_tdnn.yaml sweeps/ecapa_tdnn.yaml --study_folder results/sweep \
>     --shard_folder SHARDS --val_trials_path val_trials.txt --dev_trials_path dev_trials.txt

Started again, it carries on. Started several times at once, the processes share the trials. Every
trial is a training with a folder of its own, STUDY_FOLDER/trials/NUMBER; all else that is given
after the sweep file goes to every training. The dev trials choose nothing.

Authors
 * The TinyVoxCeleb authors 2026
"""

import argparse
import json
import sys
from pathlib import Path

from local.errors import RecipeError, one_line_errors  # isort: skip - first, see local

from optuna.trial import TrialState

from local.experiment import Experiment
from local.hparams import load_hparams, parse_arguments
from local.search import SharedStudy, progress, read_sweep, train_trial, write_report
from local.training.stop_signals import stop_signals

OWN = ("--output_folder", "--save_folder")


def parse(argv):
    """The options of the search, and the arguments that go to every training."""
    about, _, more = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=about,
        epilog=more.partition("Authors")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("hparams_file", help="of the trainings, such as hparams/ecapa_tdnn.yaml")
    parser.add_argument("sweep_file", help="what to search, such as sweeps/ecapa_tdnn.yaml")
    parser.add_argument("--study_folder", required=True, help="for the study and its trainings")
    parser.add_argument("--n_trials", type=int, help="of the whole study (n_trials of the file)")
    parser.add_argument("--report", action="store_true", help="only write the report so far")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    args, others = parser.parse_known_args(argv)
    return args, [args.hparams_file, *others]


def check(args, arguments):
    """Read the sweep file and what the trainings have in common; returns the sweep, an Experiment.

    All is loaded once as a training does it: what is wrong is said before the first trial.
    """
    hparams_file, run_opts, overrides = parse_arguments(arguments)
    sweep = read_sweep(args.sweep_file, hparams_file, overrides)
    if args.n_trials is not None:
        sweep.n_trials = args.n_trials
    if sweep.n_trials < 0:
        raise RecipeError(f"--n_trials: expected a whole number from 0, found {sweep.n_trials}")
    for word in arguments:
        if word.partition("=")[0] in OWN:
            raise RecipeError(f"{word}: each trial has its own, in --study_folder; leave it out")
    data = json.dumps(str(Path(args.study_folder).resolve() / "data"))
    hparams, file = load_hparams(hparams_file, f"{overrides}\noutput_folder: {data}", run_opts)
    return sweep, Experiment(hparams, file, run_opts)


def search(shared, arguments):
    """Work on one trial after the other, until none is left to start."""
    study = shared.study
    with stop_signals() as stop_request:
        while claimed := shared.next_trial():
            trial, folder, lock = claimed
            with lock:
                value, state = train_trial(trial, folder, arguments, lock, stop_request)
                study.tell(trial, value, state)
            print(f"trial {trial.number}: {progress(study, trial.number)}", flush=True)
    running = len(study.get_trials(states=(TrialState.RUNNING,)))
    if running:
        print(f"nothing is left to start; other processes are at work on {running} of the trials")


def main(argv):
    """Parse, check, search, report."""
    args, arguments = parse(argv)
    with one_line_errors(args.debug):
        folder = Path(args.study_folder)
        if not args.report:
            sweep, experiment = check(args, arguments)
            shared = SharedStudy(folder, sweep)
            shared.check(experiment, arguments)
            search(shared, [shared.hparams_file, *arguments[1:]])
        print(write_report(folder))


if __name__ == "__main__":
    main(sys.argv[1:])

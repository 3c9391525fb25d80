"""Compare ways of scoring, with networks of docs/results.md, as a Markdown table.

> python -m benchmarks.limited_data.scorings --output_folder results/limited_data

Takes the runs that `python -m benchmarks.limited_data` has left in the output folder. Cohort, means
and PLDA come from their training speakers; calibrations are fitted on the dev trials themselves,
cross-validated by speaker.
"""

import argparse
import sys
from pathlib import Path

from benchmarks.limited_data.corpora import corpora
from benchmarks.limited_data.experiments import NETWORKS, Experiment
from benchmarks.limited_data.lists import CORPORA
from benchmarks.limited_data.runs import score, trials_of
from local.errors import RecipeError, one_line_errors

ROWS = {
    "cosine, raw": ["--scoring", "cosine"],
    "cosine, calibrated": ["--scoring", "cosine", "--calibration_trials"],
    "mean-subtracted": ["--scoring", "mean_subtracted", "--calibration_trials"],
    "s-norm": ["--scoring", "s_norm", "--calibration_trials"],
    "as-norm, top 50": ["--scoring", "as_norm", "--top_n", "50", "--calibration_trials"],
    "PLDA": ["--scoring", "plda", "--calibration_trials"],
    "cosine, with quality measures": [
        *("--scoring", "cosine", "--quality_measures", "True", "--calibration_trials"),
    ],
}


def measure(run, data, name, row):
    """The metrics of one of ROWS, a way of scoring, on the list of a corpus, as `score` gives them.

    The folder of the run gets the scores.
    """
    options = ["--train_shards_dir", data["train"] / "shards/train", "--update_verifier", "False"]
    options += ROWS[row]
    if options[-1] == "--calibration_trials":
        options.append(trials_of(data[name]))
    score_file = run / "scorings" / name / row.replace(" ", "_") / "scores.txt"
    return score(run, data[name], score_file, sys.stderr, *options)


def cell(entry, percent=False):
    """A value with its interval."""
    form = "{:.1f}" if percent else "{:.2f}"
    texts = [
        form.format(100 * entry[key] if percent else entry[key])
        for key in ("value", "low", "high")
        if entry[key] is not None
    ]
    interval = f" ({texts[1]} to {texts[2]})" if len(texts) == 3 else ""
    return f"{texts[0]}{' %' if percent else ''}{interval}"


def find_run(args, name):
    """The folder of a network's run, and the corpora that belong to it."""
    hparams, options = NETWORKS[name]
    experiment = Experiment("networks", name, hparams, (*options, *args.overrides))
    run = experiment.folder(args.output_folder, args.seed)
    if not (run / "inference").is_dir():
        raise RecipeError(
            f"{run}: no complete run; python -m benchmarks.limited_data leaves one there when it "
            f"computes the row {name!r} with seed {args.seed}, once its CSV file is without it"
        )
    return run, corpora(args.output_folder, experiment.speakers)


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output_folder", type=Path, required=True, help="of limited_data")
    names, lists = ["prototype", "ECAPA-TDNN"], ["dev", "channels"]
    parser.add_argument("--names", nargs="+", choices=NETWORKS, default=names, help="of networks")
    parser.add_argument("--lists", nargs="+", choices=CORPORA, default=lists, help="to score")
    parser.add_argument("--seed", type=int, default=1, help="of the runs")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), help="all of them")
    parser.add_argument("overrides", nargs="*", help="after --: what the trainings were given")
    args = parser.parse_args()
    args.output_folder = args.output_folder.absolute()
    with one_line_errors(debug=False):
        found = {name: find_run(args, name) for name in args.names}
        print("| network | scores |" + "".join(f" EER, {key} | Cllr |" for key in args.lists))
        print("|---|---|" + "---|---|" * len(args.lists))
        for name, (run, data) in found.items():
            for row in args.rows:
                cells = []
                for key in args.lists:
                    metrics = measure(run, data, key, row)
                    cells += [cell(metrics["eer"], percent=True), cell(metrics["cllr"])]
                print(f"| {name} | {row} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

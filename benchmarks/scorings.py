#!/usr/bin/env python3
"""Compare ways of scoring on the dev trials, as a Markdown table.

> python benchmarks/scorings.py --data_folder tiny-librispeech --also tiny-librispeech-channels \
>     --output_folder /tmp/results

Takes the networks that benchmarks/results.py, called with the same options, has left in the output
folder. Cohort, means and PLDA come from the training speakers; calibrations are fitted on the dev
trials themselves, cross-validated by speaker.

Authors
 * The TinyVoxCeleb authors 2026
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "TinyVoxCeleb"
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


def measure(run, shards, trials, options, folder):
    """The metrics of one way of scoring one list."""
    if options[-1] == "--calibration_trials":
        options = [*options, trials]
    score_file = folder / "scores.txt"
    command = ["speaker_verification.py", "hparams/verification.yaml", "--checkpoint", run]
    command += ["--shards_dirs_to_evaluate", shards / "dev", "--trial_lists", trials]
    command += ["--train_shards_dir", run.parent / "shards" / "train", "--score_file", score_file]
    command += ["--update_verifier", "False"]
    command = [sys.executable, *map(str, [*command, *options])]
    subprocess.run(command, cwd=RECIPE, stdout=sys.stderr, check=True)
    about = json.loads(score_file.with_suffix(".json").read_text(encoding="utf-8"))
    return about["lists"][0]["evaluation"]["metrics"]


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


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data_folder", type=Path, required=True, help="with its dev_trials.txt")
    parser.add_argument("--also", type=Path, help="the second list's folder")
    parser.add_argument("--output_folder", type=Path, required=True, help="of results.py")
    names = ["prototype", "ecapa_tdnn"]
    parser.add_argument("--hparams", nargs="+", default=names, help="of hparams/, without .yaml")
    parser.add_argument("--seed", type=int, default=1, help="which run of results.py")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), help="all of them")
    args = parser.parse_args()
    out = args.output_folder.absolute() / f"seed_{args.seed}"
    lists = [(args.data_folder.absolute(), out / "shards")]
    if args.also:
        lists.append((args.also.absolute(), out / "also_shards"))
    print("| network | scores |" + "".join(f" EER, {f.name} | Cllr |" for f, _ in lists))
    print("|---|---|" + "---|---|" * len(lists))
    for name in args.hparams:
        for row in args.rows:
            cells = []
            for data, shards in lists:
                folder = out / name / "scorings" / data.name / row.replace(" ", "_")
                found = measure(out / name, shards, data / "dev_trials.txt", ROWS[row], folder)
                cells += [cell(found["eer"], percent=True), cell(found["cllr"])]
            print(f"| {name} | {row} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

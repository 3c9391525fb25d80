#!/usr/bin/env python3
"""Train networks with several seeds and print their results as a Markdown table.

> python benchmarks/results.py --data_folder tiny-librispeech --also tiny-librispeech-channels \
>     --output_folder /tmp/results

The data folders are in the tiny-voxceleb layout; --also names one whose dev trials are scored as
well, with the networks trained on the first. Complete runs are not done again; what was measured is
kept in the output folder.

Authors
 * The TinyVoxCeleb authors 2026
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "recipes" / "TinyVoxCeleb"


def call(*command, cwd=ROOT):
    """Run a command whose output goes to this script's stderr; returns the seconds it took."""
    start = time.monotonic()
    subprocess.run([str(part) for part in command], cwd=cwd, stdout=sys.stderr, check=True)
    return time.monotonic() - start


def dev_eer(score_file):
    """Percentage and interval of the dev trials that speaker_verification.py has reported.

    Where there were too few speakers for an interval, its bounds are None.
    """
    text = score_file.with_name(f"{score_file.stem}_eer.txt").read_text(encoding="utf-8")
    pattern = r"dev_trials: EER ([\d.]+)% \(convex hull(?:, 95 % interval ([\d.]+)% to ([\d.]+)%)?"
    return [number and float(number) for number in re.search(pattern, text).groups()]


def measure(args, hparams, seed):
    """Train and score once; returns seconds and, for each dev list, EER and interval."""
    out = args.output_folder / f"seed_{seed}"
    record = out / f"{hparams}.json"
    if record.is_file():
        return json.loads(record.read_text(encoding="utf-8"))
    stages = ["--corpus", "tiny-voxceleb", "--data_folder", args.data_folder]
    stages += ["--output_folder", out, "--hparams", f"hparams/{hparams}.yaml"]
    stages += ["--device", args.device]
    overrides = ["--", "--random_seed", seed, "--noprogressbar", *args.overrides]
    call("./run.sh", *stages, "--stop_stage", "2")
    seconds = call("./run.sh", *stages, "--stage", "3", "--stop_stage", "3", *overrides)
    call("./run.sh", *stages, "--stage", "4")
    results = {"seconds": seconds, "eer": [dev_eer(out / hparams / "scores.txt")]}
    if args.also:
        shards, scores = out / "also_shards", out / hparams / "also_scores.txt"
        meta = args.also / "tiny_meta.csv"
        writing = ["--in", args.also, "--meta", meta, "--out", shards]
        call(sys.executable, "-m", "local.shards", *writing, cwd=RECIPE)
        scoring = ["hparams/verification.yaml", "--checkpoint", out / hparams]
        scoring += ["--shards_dirs_to_evaluate", shards / "dev", "--device", args.device]
        scoring += ["--trial_lists", args.also / "dev_trials.txt", "--score_file", scores]
        call(sys.executable, "speaker_verification.py", *scoring, cwd=RECIPE)
        results["eer"].append(dev_eer(scores))
    record.write_text(json.dumps(results), encoding="utf-8")
    return results


def table(args):
    """Measure everything and format the rows."""
    lists = [folder.name for folder in (args.data_folder, args.also) if folder]
    yield f"| network | training | {' | '.join(f'dev EER, {name}' for name in lists)} |"
    yield f"|---|---|{'---|' * len(lists)}"
    for hparams in args.hparams:
        runs = [measure(args, hparams, seed) for seed in args.seeds]
        minutes = statistics.mean(run["seconds"] for run in runs) / 60
        cells = []
        for number in range(len(lists)):
            eers, lows, highs = zip(*(run["eer"][number] for run in runs), strict=True)
            cell = f"{statistics.mean(eers):.1f} % ({', '.join(f'{eer:.1f}' for eer in eers)})"
            if None not in lows:
                low, high = statistics.mean(lows), statistics.mean(highs)
                cell += f"; 95 %: {low:.1f} to {high:.1f}"
            cells.append(cell)
        yield f"| {hparams} | {minutes:.1f} min | {' | '.join(cells)} |"


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data_folder", type=Path, required=True, help="to train and test on")
    parser.add_argument("--also", type=Path, help="its dev trials are scored as well")
    parser.add_argument("--output_folder", type=Path, required=True, help="keeps what was made")
    names = ["prototype", "ecapa_tdnn"]
    parser.add_argument("--hparams", nargs="+", default=names, help="of hparams/, without .yaml")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3], help="one run each")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("overrides", nargs="*", help="after --: goes to training")
    args = parser.parse_args()
    for name in ("data_folder", "also", "output_folder"):
        if getattr(args, name):
            setattr(args, name, getattr(args, name).absolute())
    for line in table(args):
        print(line)


if __name__ == "__main__":
    main()

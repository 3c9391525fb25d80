"""Train what is compared, score it, and write docs/results.md.

> python -m benchmarks.limited_data --data_folder tiny-librispeech \
>     --channels_folder tiny-librispeech-channels --calls_folder phone-calls \
>     --moods_folder emodb --unseen_folder arabic-speakers --output_folder results/limited_data

Finished rows are in benchmarks/limited_data.csv and are not computed again; an interrupted run
carries on. The folders are in the tiny-voxceleb layout; that of `--unseen_folder` has a folder a
speaker.
"""

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

from benchmarks.limited_data.corpora import corpora, write_dev_only, write_subset, write_unseen
from benchmarks.limited_data.document import write_document
from benchmarks.limited_data.experiments import ALL, EXPERIMENTS, SEEDS, TABLES
from benchmarks.limited_data.lists import LISTS
from benchmarks.limited_data.rows import Rows
from benchmarks.limited_data.runs import run
from local.errors import RecipeError, one_line_errors

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("data", "channels", "calls", "moods", "unseen")


def prepare(args, experiments):
    """Write the shards that the experiments need; ALL have those of the dev list."""
    for count in sorted({ALL, *(experiment.speakers for experiment in experiments)}):
        write_subset(args.data_folder, corpora(args.output_folder, count)["train"], count)
    for name, folder in corpora(args.output_folder).items():
        if name == "unseen":
            write_unseen(args.unseen_folder, folder)
        elif name not in ("train", "dev"):
            write_dev_only(getattr(args, f"{name}_folder"), folder)


def measure(args, rows, experiments):
    """Compute the rows that are missing, several side by side, the first seed of each first."""
    missing = {
        (seed, experiment.key): (experiment, seed)
        for seed in args.seeds
        for experiment in experiments
        if seed not in rows.of(experiment)
    }
    if not missing:
        return
    prepare(args, [experiment for experiment, _ in missing.values()])
    with ThreadPoolExecutor(args.jobs) as pool:
        jobs = {pool.submit(_run, args, *run): run for run in missing.values()}
        try:
            for number, job in enumerate(as_completed(jobs), start=1):
                experiment, seed = jobs[job]
                row = job.result()
                rows.add(row)
                eers = (f"{one.title} {row[f'{key}_eer']}" for key, one in LISTS.items())
                print(
                    f"{number}/{len(jobs)} {experiment.name}, seed {seed}: choice {row['choice']}, "
                    f"EER in % {', '.join(eers)}; {row['cpu_minutes']} CPU minutes",
                    flush=True,
                )
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _run(args, experiment, seed):
    folder = experiment.folder(args.output_folder, seed)
    folder.parent.mkdir(parents=True, exist_ok=True)
    data = corpora(args.output_folder, experiment.speakers)
    with open(folder.with_name(f"{seed}.log"), "a", encoding="utf-8") as log:
        return run(experiment, seed, data, folder, log)


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in (*FOLDERS, "output"):
        parser.add_argument(f"--{name}_folder", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=2, help="runs side by side, of a thread each")
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=TABLES)
    parser.add_argument("--names", nargs="+", help="of rows, only these")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS), help="only these")
    parser.add_argument("--csv", type=Path, default=ROOT / "benchmarks/limited_data.csv")
    parser.add_argument("--document", type=Path, default=ROOT / "docs/results.md")
    parser.add_argument("overrides", nargs="*", help="after --: goes to each training")
    args = parser.parse_args()
    with one_line_errors(debug=False):
        for name in (f"{name}_folder" for name in (*FOLDERS, "output")):
            setattr(args, name, getattr(args, name).absolute())
            if name != "output_folder" and not getattr(args, name).is_dir():
                raise RecipeError(f"--{name} {getattr(args, name)}: no such folder")
        if not args.document.is_file():
            raise RecipeError(f"--document {args.document}: expected a copy of docs/results.md")
        rows = Rows(args.csv)
        experiments = [replace(one, options=(*one.options, *args.overrides)) for one in EXPERIMENTS]
        chosen = [one for one in experiments if one.table in args.tables]
        measure(args, rows, [one for one in chosen if one.name in (args.names or [one.name])])
    tables = {}
    for name in TABLES:
        own = [one for one in experiments if one.table == name]
        # Each network stands for itself; a part of the recipe is seen beside the recipe as it was.
        found = map(rows.of, own) if name == "networks" else rows.of_one_commit(own)
        tables[name] = [
            (experiment, list(by_seed.values()))
            for experiment, by_seed in zip(own, found, strict=True)
        ]
    write_document(args.document, tables)
    print(f"written: {args.document}", file=sys.stderr)


if __name__ == "__main__":
    main()

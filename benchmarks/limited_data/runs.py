"""One training, and what its network does on each list of trials."""

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks import RECIPE
from benchmarks.limited_data.experiments import NETWORKS, SEEDS, Experiment
from benchmarks.limited_data.lists import CORPORA, measure
from local.embeddings import read_embeddings
from local.errors import RecipeError
from local.files import atomic_file
from local.results import read_results
from local.training.loggers import read_train_log


def run(experiment, seed, data, folder, log):
    """Train an Experiment in a folder, unless that is done, and score; returns a row.

    The data are the corpora with shards: "train", and those of the suite. The log is an open file
    that gets what the commands print.
    """
    corpus = data["train"]
    command = ["train_speaker_embeddings.py", experiment.path, *experiment.options]
    command += ["--shard_folder", corpus / "shards", "--output_folder", folder]
    command += ["--val_trials_path", corpus / "corpus/val_trials.txt"]
    command += ["--dev_trials_path", corpus / "corpus/dev_trials.txt"]
    command += ["--random_seed", seed, "--device", "cpu", "--noprogressbar"]
    _call(command, log, _cpu_record(folder))
    row = {**experiment.settings, "seed": seed, "commit": commit(), **_training(folder)}
    embeddings = {name: _embed(folder, data[name], name, log) for name in CORPORA}
    return row | measure(embeddings, {name: trials_of(data[name]) for name in CORPORA})


def parse_runs(parser):
    """Add the options that name runs which are there, parse, and give those of each network."""
    parser.add_argument("--output_folder", type=Path, required=True, help="of limited_data")
    parser.add_argument("--names", nargs="+", choices=NETWORKS, default=["prototype", "best"])
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    args = parser.parse_args()
    folder, runs = args.output_folder.absolute(), {}
    for name in args.names:
        experiment = Experiment("networks", name, *NETWORKS[name])
        runs[name] = [experiment.folder(folder, seed) for seed in args.seeds]
        for run in runs[name]:
            if not (run / "suite").is_dir():
                raise RecipeError(f"{run}: no run that python -m benchmarks.limited_data left")
    return folder, runs


def trials_of(corpus):
    """The trial list of a corpus of the suite."""
    return corpus / "corpus/dev_trials.txt"


def _embed(run, corpus, name, log):
    path = run / f"suite/{name}.npz"
    path.parent.mkdir(exist_ok=True)
    command = ["-m", "local.embeddings", run, "--shards", corpus / "shards/dev", "--out", path]
    _call([*command, "--device", "cpu", "--num_workers", 0], log)
    return read_embeddings(path, run)


def score(folder, corpus, score_file, log, *options):
    """Score corpus/dev_trials.txt of a corpus with the run in a folder.

    The log gets what the command prints; the options are those of hparams/verification.yaml.
    Returns what was measured, by name: "value", and the bounds "low" and "high" of its interval,
    which are None where there are too few speakers.
    """
    command = ["speaker_verification.py", "hparams/verification.yaml", "--checkpoint", folder]
    command += ["--shards_dirs_to_evaluate", corpus / "shards/dev", "--device", "cpu"]
    command += ["--trial_lists", trials_of(corpus), "--score_file", score_file]
    _call([*command, "--num_workers", 0, *options], log)
    (measured,) = read_results(score_file.with_suffix(".json")).lists
    return measured.evaluation["metrics"]


def _call(command, log, cpu_record=None):
    """Run a command; its CPU time is added to the seconds in a file, even if it is interrupted."""
    command = [sys.executable, *map(str, command)]
    # One thread each: several runs side by side use the cores better than threads of one.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=RECIPE, stdout=log, stderr=log, env=environment)
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        process.terminate()  # a training leaves a checkpoint then
        _, status, usage = os.wait4(process.pid, 0)
        raise
    finally:
        if cpu_record:
            before = json.loads(cpu_record.read_text()) if cpu_record.is_file() else 0.0
            with atomic_file(cpu_record) as fout:
                json.dump(before + usage.ru_utime + usage.ru_stime, fout)
    if status:
        raise SystemExit(f"status {status}: {' '.join(command)}; see {log.name}")


def commit():
    """The last one that changed the recipe, with a + where it has changed since."""
    last, changes = (
        subprocess.run(["git", *words, "--", "."], cwd=RECIPE, capture_output=True, text=True)
        for words in (["log", "-1", "--format=%h"], ["status", "--porcelain"])
    )
    return last.stdout.strip() + "+" * bool(changes.stdout)


def _cpu_record(folder):
    return folder.with_name(f"{folder.name}.cpu.json")


def _training(folder):
    return {
        "cpu_minutes": round(json.loads(_cpu_record(folder).read_text()) / 60, 2),
        "val_eer": round(100 * min(read_train_log(folder)["valid_eer"].tolist()), 2),
    }

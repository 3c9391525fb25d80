"""Who of a gallery speaks, or nobody: rates of open-set identification, as Markdown.

> python -m benchmarks.limited_data.identification --output_folder results/limited_data

Takes the runs that `python -m benchmarks.limited_data` has left in the output folder, and the
utterances of arabic-speakers. A split enrols a random half of the speakers, each with a random half
of its utterances; their other half, and all utterances of the other speakers, are the probes. The
last column has all speakers enrolled. Means of all seeds and splits, with the mean bounds of the
95 % intervals over speakers.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.limited_data.runs import parse_runs
from local.embeddings import read_embeddings
from local.errors import one_line_errors
from local.metrics.identification import identify_models
from local.metrics.tables import NAMES
from local.scoring.backends import Backend
from local.scoring.enrolment import read_enrolment
from local.scoring.trial_scores import score_trials
from local.scoring.trials import read_trials

CORPUS = "unseen"
SPLITS = (0, 1, 2, 3, 4)  # seeds of the splits
METRICS = ("rank_1", "dir_0.01", "dir_0.1", "fnir_0.01", "fnir_0.1")


def make_split(ids, seed, share, folder):
    """Trials of a random split that enrols a share of the speakers, as the lists are read."""
    rng, speakers = np.random.default_rng(seed), {}
    for key in sorted(ids):
        speakers.setdefault(key.split("/")[0], []).append(key)
    names = rng.permutation(sorted(speakers))
    enrolled, probes, models = names[: round(share * len(names))], [], []
    for name in names:
        own = rng.permutation(speakers[name]).tolist()
        if name in enrolled:
            half = len(own) // 2
            models.append(" ".join([name, *own[:half]]))
            own = own[half:]
        probes += own
    for path, lines in ((folder / "gallery.txt", models), (folder / "probes.txt", probes)):
        path.write_text("".join(f"{line}\n" for line in lines))
    return read_trials(folder / "probes.txt", enrolment=read_enrolment(folder / "gallery.txt"))


def measure(table, seed, share):
    """What is measured of embeddings on one split."""
    with tempfile.TemporaryDirectory() as folder:
        trials = make_split(table.ids, seed, share, Path(folder))
    return identify_models(trials, score_trials(Backend("cosine"), table, trials))


def cell(found, metric):
    """Mean of a metric, and the mean bounds of its intervals where it has some, in percent."""
    entries = [one["metrics"][metric] for one in found]
    text = f"{100 * statistics.mean(entry['value'] for entry in entries):.1f}"
    # Where nothing goes wrong there is no spread: that share counts as an end of its interval.
    ends = (
        100 * statistics.mean(entry["value" if entry[end] is None else end] for entry in entries)
        for end in ("low", "high")
    )
    return "{} ({:.1f} to {:.1f})".format(text, *ends)


def main():
    """Command line."""
    with one_line_errors(debug=False):
        _, runs = parse_runs(argparse.ArgumentParser(description=__doc__.splitlines()[0]))
        rows = []
        for name, own in runs.items():
            half, whole = [], []
            for run in own:
                table = read_embeddings(run / f"suite/{CORPUS}.npz")
                half += [measure(table, split, 0.5) for split in SPLITS]
                whole += [measure(table, split, 1.0) for split in SPLITS]
            cells = [cell(half, metric) for metric in METRICS] + [cell(whole, "rank_1")]
            rows.append(f"| {name} | {' | '.join(cells)} |")
        counts = half[0]["searches"], whole[0]["searches"]
        print(*counts, sep="\n")
        titles = [*(NAMES[metric] for metric in METRICS), f"rank 1 of {counts[1]['models']}"]
        print(f"| recipe | {' | '.join(titles)} |", "|---|" + "---|" * len(titles), *rows, sep="\n")


if __name__ == "__main__":
    main()

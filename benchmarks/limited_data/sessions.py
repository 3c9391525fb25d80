"""For whom a recipe fails: EERs by kind of telephone and by mood, means of seeds, as Markdown.

> python -m benchmarks.limited_data.sessions --output_folder results/limited_data

Takes the runs that `python -m benchmarks.limited_data` has left in the output folder. The kind of a
trial is that of its two sessions: "cellphone + landlinephone", "anger + sadness".
"""

import argparse
import statistics
from collections import defaultdict

import numpy as np

from benchmarks.limited_data.corpora import corpora
from benchmarks.limited_data.runs import parse_runs, trials_of
from local.embeddings import read_embeddings
from local.errors import one_line_errors
from local.metrics import equal_error_rate
from local.scoring.backends import Backend
from local.scoring.trial_scores import score_trials
from local.scoring.trials import read_trials

# Of a session's name, what tells its kind: "cellphone" of "cellphone-00261", "anger"
KINDS = {"calls": lambda session: session.partition("-")[0], "moods": str}
FEWEST = 50  # trials of each label that a group has to have


def groups(trials, kind_of):
    """The trials of each pair of kinds of sessions, as a mask by name, all of them first."""
    sides = [np.array([kind_of(key.split("/")[1]) for key in side]) for side in trials.pairs()]
    names = np.array([" + ".join(sorted(pair)) for pair in zip(*sides, strict=True)])
    yield "all", np.ones(len(names), bool)
    for name in np.unique(names):
        yield str(name), names == name


def measure(run, data, name):
    """EER in percent, targets and non-targets of each group of a corpus, by a run."""
    table = read_embeddings(run / f"suite/{name}.npz")
    trials = read_trials(trials_of(data[name]))
    scores = score_trials(Backend("cosine"), table, trials)
    for group, chosen in groups(trials, KINDS[name]):
        labels = trials.labels[chosen]
        counts = int((labels == 1).sum()), int((labels == 0).sum())
        if min(counts) >= FEWEST:
            yield group, 100 * equal_error_rate(scores[chosen], labels), counts


def main():
    """Command line."""
    with one_line_errors(debug=False):
        folder, runs = parse_runs(argparse.ArgumentParser(description=__doc__.splitlines()[0]))
        data = corpora(folder)
        for name in KINDS:
            eers, counts = defaultdict(lambda: defaultdict(list)), {}
            for network, own in runs.items():
                for run in own:
                    for group, eer, counts[group] in measure(run, data, name):
                        eers[group][network].append(eer)
            print(f"\n| {name} | target, non-target | {' | '.join(runs)} |")
            print("|---|---|" + "---|" * len(runs))
            for group, found in eers.items():
                means = (f"{statistics.mean(found[network]):.1f}" for network in runs)
                print("| {} | {:,}, {:,} | {} |".format(group, *counts[group], " | ".join(means)))


if __name__ == "__main__":
    main()

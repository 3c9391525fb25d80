"""Metrics of a score list: python -m local.metrics --scores SCORES --trials TRIALS [--meta CSV]."""

import argparse
import json
from pathlib import Path

import numpy as np

from local.errors import RecipeError, one_line_errors
from local.files import split_paths
from local.layout import utterance_key
from local.metadata import read_speakers
from local.metrics.breakdown import breakdown, side_lengths, untold
from local.metrics.evaluation import compare, evaluate
from local.metrics.identification import identify_models
from local.metrics.tables import (
    breakdown_table,
    comparison_table,
    evaluation_table,
    identification_table,
)
from local.scoring.enrolment import pair_lists
from local.scoring.score_list import scores_of
from local.scoring.trials import read_trials
from local.scoring.utterances import find_utterances
from local.shards import index_shards


def parse_arguments():
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m local.metrics", description=__doc__)
    systems = parser.add_mutually_exclusive_group(required=True)
    systems.add_argument("--scores", type=Path, help="a score list")
    systems.add_argument("--compare", type=Path, nargs="+", help="score lists, side by side")
    parser.add_argument("--trials", required=True, help="lists with labels, separated by commas")
    parser.add_argument("--enrolment_lists", default="", help="their models: one for all, or each")
    parser.add_argument("--meta", type=Path, help="tiny_meta.csv: errors by sex, nationality, …")
    parser.add_argument("--shards", help="folders, separated by commas: errors by duration")
    parser.add_argument(
        "--self_trials_count", action="store_true", help="count trials of an utterance with itself"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--num_bootstrap", type=int, default=200, help="resamples; 0: no intervals")
    parser.add_argument("--seed", type=int, default=0, help="of the resamples")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    args = parser.parse_args()
    if min(args.num_bootstrap, args.seed) < 0:
        parser.error("--num_bootstrap and --seed: expected whole numbers from 0")
    if args.compare and len(args.compare) < 2:
        parser.error("--compare: expected two score lists or more")
    if args.compare and (args.meta or args.shards):
        parser.error("--meta and --shards go with --scores: they break one system's errors down")
    return args


def read_lengths(shard_folders):
    """Audio samples of each utterance of some folders, by its key; None where none were named."""
    if not shard_folders:
        return None
    indices = [index_shards(folder) for folder in split_paths(shard_folders)]
    return {sample.key: sample.num_frames for index in indices for sample in index}


def lengths_of(trials, frames):
    """Audio samples of the two sides of each trial, None where no shards were named."""
    if frames is None:
        return None
    places = {key: place for place, key in enumerate(frames)}
    rows = trials.rows(lambda names: np.array([places[utterance_key(name)] for name in names]))
    return side_lengths(np.array(list(frames.values())), *rows)


def check_people(people, lists, table):
    """Check that a table tells of a speaker at least, of those whose errors it is to break down."""
    sides = [side for trials in lists if trials.has_labels for side in trials.speakers() or ()]
    if sides and not people.keys() & set().union(*sides):
        raise RecipeError(
            f"{untold(people, sides, table)}: write the ids in its column id as the trials do"
        )


def measure(args, trials, systems, people, frames):
    """What is asked for, of one list and the scores of each system on it."""
    speakers, options = trials.speakers(), {"num_bootstrap": args.num_bootstrap, "seed": args.seed}
    paths = [str(path) for path in args.compare or [args.scores]]
    remarks = [trials.remarks, "" if people is None else untold(people, speakers, args.meta)]
    remarks = "; ".join(filter(None, remarks))
    result = {"trials": trials.path, "title": trials.title, "scores": paths, "remarks": remarks}
    evaluations = [
        evaluate(scores, trials.labels, speakers, where=path, **options)
        for path, scores in zip(paths, systems, strict=True)
    ]
    if args.compare:
        differences = compare(systems, trials.labels, speakers, **options)
        return result | {"evaluations": evaluations, "differences": differences}
    groups = breakdown(
        systems[0],
        trials.labels,
        speakers,
        people=people,
        num_frames=lengths_of(trials, frames),
        **options,
    )
    identified = identify_models(trials, systems[0], **options)
    return result | {
        "evaluation": evaluations[0],
        "breakdown": groups,
        "identification": identified,
    }


def main():
    """Read, compute, print."""
    args = parse_arguments()
    with one_line_errors(args.debug):
        paths, own = split_paths(args.trials), args.self_trials_count
        models = pair_lists(paths, split_paths(args.enrolment_lists))
        lists = [read_trials(path, self_trials=own, enrolment=models[path]) for path in paths]
        scored = [scores_of(path, lists) for path in args.compare or [args.scores]]
        people = read_speakers(args.meta) if args.meta else None
        frames = read_lengths(args.shards)
        if frames is not None:
            lists = [find_utterances(trials, frames) for trials in lists]
        if people is not None:
            check_people(people, lists, args.meta)
        results = [
            measure(args, trials, systems, people, frames)
            for trials, *systems in zip(lists, *scored, strict=True)
            if trials.has_labels
        ]
        if not results:
            why = "; ".join(dict.fromkeys(trials.unlabelled for trials in lists))
            raise RecipeError(f"{args.trials}: no trial has a label that counts: {why}")
        if args.json:
            print(json.dumps(results, indent=1))
        else:
            print("\n\n".join("\n".join(_text(result)) for result in results))


def _text(result):
    """A result as lines."""
    trials = result["trials"] + (f" ({result['title']})" if result["title"] else "")
    if "evaluation" in result:
        yield f"{result['scores'][0]} on {trials}"
        yield from filter(None, [result["remarks"]])
        yield from evaluation_table(result["evaluation"])
        if result["breakdown"]:
            yield "\nMiss and false alarm rates at the threshold of the EER of all trials"
            yield from breakdown_table(result["breakdown"])
        yield from identification_table(result["identification"])
    else:
        yield trials
        yield from filter(None, [result["remarks"]])
        names = [f"{number} {Path(path).stem}" for number, path in enumerate(result["scores"], 1)]
        yield from (f"{name}: {path}" for name, path in zip(names, result["scores"], strict=True))
        yield from comparison_table(names, result["evaluations"], result["differences"])
        yield "* a difference beyond the choice of speakers (its 95 % interval leaves out 0)"


if __name__ == "__main__":
    main()

"""Score lists: ``score id1 id2`` a line, written, read, and checked before they are handed in.

Usage
-----
> python -m local.score_list check scores.txt --trials dev_trials.txt,eval_trials_no_gt.txt

Authors
 * The TinyVoxCeleb authors 2026
"""

import argparse
import math
import sys
from pathlib import Path

import numpy as np

from local.atomic import atomic_file
from local.errors import RecipeError, one_line_errors
from local.trials import read_trials

EXAMPLES = 3  # of each kind of mistake that are told


def write_scores(path, scored):
    """Write a score list: ``score id1 id2`` a line, higher for the same speaker.

    Arguments
    ---------
    path : str or Path
    scored : iterable of (TrialList, numpy.ndarray)
        Trial lists with their scores in [0, 1], in the order in which they are to stand.

    Raises
    ------
    RecipeError
        If a score is not in [0, 1]; no list is left then.
    """
    with atomic_file(path) as fout:
        for trials, scores in scored:
            inside = (scores >= 0) & (scores <= 1)
            if not inside.all():
                raise RecipeError(
                    f"{trials.path}: {np.sum(~inside)} of {len(trials)} scores are not in [0, 1], "
                    f"e.g. {scores[~inside][0]}; no score list was written"
                )
            columns = zip(scores.tolist(), trials.enrol, trials.test, strict=True)
            fout.writelines(f"{score} {first} {second}\n" for score, first, second in columns)


def read_scores(path):
    """Read a score list.

    Arguments
    ---------
    path : str or Path

    Returns
    -------
    (numpy.ndarray, list of str, list of str)
        Scores, float64, shape (trials,), and the ids of both sides.

    Raises
    ------
    RecipeError
        No such list, an empty one, or, with the number of its first line, one with lines that are
        not ``score id1 id2`` or whose score is not finite.

    Example
    -------
    >>> path = getfixture("tmp_path") / "scores.txt"
    >>> _ = path.write_text("0.25 a/x/0 b/y/0\\n")
    >>> read_scores(path)
    (array([0.25]), ['a/x/0'], ['b/y/0'])
    """
    scores, enrol, test = [], [], []
    for number, (score, pair) in enumerate(_lines(path), start=1):
        if pair is None or score is None or not math.isfinite(score):
            raise RecipeError(
                f"{path}:{number}: expected 'score id1 id2' with a finite score; "
                "`python -m local.score_list check` tells all that is wrong"
            )
        scores.append(score)
        enrol.append(_plain(pair)[0])
        test.append(_plain(pair)[1])
    if not scores:
        raise RecipeError(f"{path}: the score list is empty")
    return np.array(scores), enrol, test


def scores_of(path, lists):
    """The scores of the trials of some lists, wherever they stand in a score list.

    Arguments
    ---------
    path : str or Path
        The score list; it may hold more.
    lists : list of TrialList

    Returns
    -------
    list of numpy.ndarray
        Of each list, shape (trials,).

    Raises
    ------
    RecipeError
        See `read_scores`; trials that are not in it.
    """
    scores, enrol, test = read_scores(path)
    wanted = list(_pairs(lists))
    named = list(zip(enrol, test, strict=True))
    if named != wanted:
        rows = {pair: row for row, pair in enumerate(named)}
        missing = [pair for pair in wanted if pair not in rows]
        if missing:
            raise RecipeError(
                f"{path}: {len(missing)} of {len(wanted)} trials have no score, first "
                f"{' '.join(missing[0])}; score {', '.join(trials.path for trials in lists)} first"
            )
        scores = scores[[rows[pair] for pair in wanted]]
    return np.split(scores, np.cumsum([len(trials) for trials in lists])[:-1])


def check_scores(path, trial_lists):
    """Find everything in which a score list is not what the trial lists ask for.

    A complete list is compared line by line; only another one is searched for its trials.

    Arguments
    ---------
    path : str or Path
        The score list.
    trial_lists : list of TrialList
        In the order in which their trials are to stand.

    Returns
    -------
    dict of str to (int, list of str)
        How often each kind of mistake was made, and where first: "malformed", "not finite",
        "outside [0, 1]", "ids with .wav", "missing", "double", "extra", "out of order". Empty if
        there is none.

    Raises
    ------
    RecipeError
        If there is no such score list.
    """
    mistakes = _Mistakes()
    expected = _pairs(trial_lists)
    in_order = True
    for number, (score, pair) in enumerate(_lines(path), start=1):
        if pair is None or score is None:
            mistakes.note("malformed", f"line {number}")
        elif not math.isfinite(score):
            mistakes.note("not finite", f"line {number}: {score}")
        elif not 0 <= score <= 1:
            mistakes.note("outside [0, 1]", f"line {number}: {score}")
        if pair and any(name.endswith(".wav") for name in pair):
            mistakes.note("ids with .wav", f"line {number}")
        in_order = in_order and _plain(pair) == next(expected, None)
    if not in_order or next(expected, None):
        _compare(path, trial_lists, mistakes)
    return mistakes.found


def main():
    """Command line of the check."""
    parser = argparse.ArgumentParser(description="Check a score list before it is handed in.")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="tell whether a score list is complete")
    check.add_argument("scores", help="the score list")
    check.add_argument("--trials", required=True, help="trial lists in order, separated by commas")
    check.add_argument("--debug", action="store_true", help="show tracebacks")
    args = parser.parse_args()
    with one_line_errors(args.debug):
        lists = [read_trials(path) for path in args.trials.split(",")]
        mistakes = check_scores(args.scores, lists)
        if mistakes:
            print(f"{args.scores}: not as {args.trials} ask for")
            for kind, (count, examples) in mistakes.items():
                more = "; …" if count > len(examples) else ""
                print(f"  {count} {kind}: {'; '.join(examples)}{more}")
            sys.exit(1)
        print(f"{args.scores}: complete: {sum(map(len, lists))} trials, in order, all in [0, 1]")


class _Mistakes:
    """Counts by kind, with the first examples of each."""

    def __init__(self):
        self.found = {}

    def note(self, kind, example):
        count, examples = self.found.get(kind, (0, []))
        self.found[kind] = (count + 1, examples + [example] * (count < EXAMPLES))


def _compare(path, trial_lists, mistakes):
    """Note which trials are missing, double, extra or out of order."""
    places, repeats = {}, {}  # of a trial: its place; the further ones, where a list repeats it
    for place, pair in enumerate(_pairs(trial_lists)):
        if places.setdefault(pair, place) != place:
            repeats.setdefault(pair, []).append(place)
    missing = dict(places)
    before = -1
    for number, (_, pair) in enumerate(_lines(path), start=1):
        if pair is None:
            continue
        pair = _plain(pair)
        where = f"line {number}: {' '.join(pair)!r}"
        if pair not in places:
            mistakes.note("extra", where)
            continue
        place = missing.pop(pair, None)
        if place is None and repeats.get(pair):
            place = repeats[pair].pop(0)
        if place is None:
            mistakes.note("double", where)
            continue
        if place < before:
            mistakes.note("out of order", f"{where} belongs before the line above")
        before = place
    left = [*missing, *(pair for pair, rest in repeats.items() for _ in rest)]
    for pair in left:
        mistakes.note("missing", repr(" ".join(pair)))


def _pairs(trial_lists):
    for trials in trial_lists:
        yield from zip(trials.enrol, trials.test, strict=True)


def _plain(pair):
    return pair and tuple(name.removesuffix(".wav") for name in pair)


def _lines(path):
    """Score (None if it is no number) and ids (None if they are not two) of each line."""
    path = Path(path)
    if not path.is_file():
        raise RecipeError(f"{path}: no such score list")
    with open(path, encoding="utf-8", errors="surrogateescape") as fin:
        for line in fin:
            number, *pair = line.split() or [""]
            try:
                score = float(number)
            except ValueError:
                score = None
            yield score, tuple(pair) if len(pair) == 2 else None


if __name__ == "__main__":
    main()

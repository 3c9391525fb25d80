"""Score lists: write them, read them, and find what one lacks before it is handed in.

One trial a line, ``score id1 id2``: the score in [0, 1], higher for the same speaker; the ids as in
the trial list, without ".wav".
"""

import collections
import functools
import itertools
import math
import operator
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from local.errors import RecipeError
from local.files import atomic_file
from local.layout import utterance_key
from local.scoring.lines import brief, shown, without_wav
from local.scoring.trials import TrialList
from local.stored import read_lines

LARGEST = 1e15  # no system's score is larger, and the squares of those below add up
EXAMPLES = 3  # of each kind of mistake that are told


def write_scores(path: str | Path, scored: Iterable[tuple[TrialList, np.ndarray]]) -> None:
    """Write the scores of trial lists, in the order in which they are to stand.

    Raises
    ------
    RecipeError
        If a score is not in [0, 1]; no list is left then.
    """
    with atomic_file(path, "wb") as fout:
        for trials, scores in scored:
            inside = (scores >= 0) & (scores <= 1)
            if not inside.all():
                raise RecipeError(
                    f"{trials.path}: {np.sum(~inside)} of {len(trials)} scores are not in [0, 1], "
                    f"e.g. {scores[~inside][0]}; no score list was written"
                )
            columns = zip(scores.tolist(), trials.enrol, trials.test, strict=True)
            lines = (f"{score} {first} {second}\n" for score, first, second in columns)
            # Ids may hold bytes that are not UTF-8, as names of files do.
            fout.writelines(line.encode("utf-8", "surrogateescape") for line in lines)


def read_scores(path: str | Path) -> tuple[np.ndarray, list[str], list[str]]:
    """Read scores, float64, shape (trials,), and the ids of both sides.

    Raises
    ------
    RecipeError
        No such list, an empty one, or, with the number of its first line, one with lines that are
        not ``score id1 id2`` or whose score is not finite, or beyond all that systems give.

    Example
    -------
    >>> path = getfixture("tmp_path") / "scores.txt"
    >>> _ = path.write_text("0.25 a/x/0 b/y/0\\n")
    >>> read_scores(path)
    (array([0.25]), ['a/x/0'], ['b/y/0'])
    """
    scores, enrol, test, names = [], [], [], {}
    for number, (score, pair) in enumerate(_read_lines(path), start=1):
        if pair is None or score is None or not abs(score) <= LARGEST:
            raise _unusable(f"{path}:{number}", score, pair)
        scores.append(score)
        first, second = pair
        # One text for all mentions of an utterance, looked at once.
        enrol.append(names.get(first) or names.setdefault(first, without_wav(first)))
        test.append(names.get(second) or names.setdefault(second, without_wav(second)))
    if not scores:
        raise RecipeError(f"{path}: the score list is empty")
    return np.array(scores), enrol, test


def _unusable(where, score, pair):
    """The error for a line whose score is none, or which has no two ids."""
    if pair is None or score is None or not math.isfinite(score):
        return RecipeError(
            f"{where}: expected 'score id1 id2' with a finite score; "
            "`python -m local.scoring check` tells all that is wrong"
        )
    return RecipeError(
        f"{where}: a score of {score}: expected one of {LARGEST:g} at the most, as sums of larger "
        "ones are none; score anew, or take what is no score out"
    )


def scores_of(path: str | Path, lists: Sequence[TrialList]) -> list[np.ndarray]:
    """The scores of each of some trial lists, wherever the trials stand in a score list.

    A trial that is there with its sides swapped alone has that score.

    Raises
    ------
    RecipeError
        See `read_scores`; trials that are not in it, or there twice with different scores.
    """
    scores, enrol, test = read_scores(path)
    named, total = zip(enrol, test, strict=True), sum(map(len, lists))
    if len(scores) != total or any(map(operator.ne, named, _pairs_of(lists))):
        key = functools.cache(utterance_key)  # ids may be spelt otherwise than in the lists
        wanted = [(key(first), key(second)) for first, second in _pairs_of(lists)]
        rows = {}
        for row, pair in enumerate(zip(map(key, enrol), map(key, test), strict=True)):
            if scores[rows.setdefault(pair, row)] != scores[row]:
                raise RecipeError(
                    f"{path}: two different scores for {brief(' '.join(pair))}: score anew"
                )
        for pair, row in list(rows.items()):
            rows.setdefault(pair[::-1], row)
        missing = [pair for pair in wanted if pair not in rows]
        if missing:
            raise RecipeError(
                f"{path}: {len(missing)} of {len(wanted)} trials have no score, first "
                f"{brief(' '.join(missing[0]))}; score "
                f"{', '.join(trials.path for trials in lists)} first"
            )
        scores = scores[[rows[pair] for pair in wanted]]
    return split_scores(scores, lists)


def split_scores(scores: np.ndarray, lists: Sequence[TrialList]) -> list[np.ndarray]:
    """Take the scores of all trials of some lists apart by list."""
    return np.split(scores, np.cumsum([len(trials) for trials in lists])[:-1])


def check_scores(
    path: str | Path, trial_lists: Sequence[TrialList]
) -> dict[str, tuple[int, list[str]]]:
    """Find everything in which a score list is not what the trial lists ask for, in their order.

    A complete list is compared line by line; only another one is searched for its trials.

    Returns
    -------
    dict of str to (int, list of str)
        How often each kind of mistake was made, and where first: "malformed", "not finite",
        "outside [0, 1]", "ids with .wav", "ids spelt otherwise", "sides swapped", "missing",
        "double", "extra", "out of order". Empty if there is none.

    Raises
    ------
    RecipeError
        If there is no such score list.
    """
    mistakes = collections.defaultdict(list)
    expected = _pairs_of(trial_lists)
    in_order = True
    for number, (score, pair) in enumerate(_read_lines(path), start=1):
        if pair is None or score is None:
            mistakes["malformed"].append(f"line {number}")
        elif not math.isfinite(score):
            mistakes["not finite"].append(f"line {number}: {score}")
        elif not 0 <= score <= 1:
            mistakes["outside [0, 1]"].append(f"line {number}: {score}")
        if pair and _without_wav(pair) != pair:
            mistakes["ids with .wav"].append(f"line {number}")
        in_order = in_order and _without_wav(pair) == next(expected, None)
    if not in_order or next(expected, None):
        _compare(path, trial_lists, mistakes)
    return {kind: (len(found), found[:EXAMPLES]) for kind, found in mistakes.items()}


def _compare(path, trial_lists, mistakes):
    """Note which trials are missing, double, extra or out of order."""
    places = collections.defaultdict(list)  # of each trial, as a list may repeat one
    for place, pair in enumerate(_pairs_of(trial_lists)):
        places[pair].append(place)
    spellings = {tuple(map(utterance_key, pair)): pair for pair in places}
    before, others = -1, []
    for number, (_, pair) in enumerate(_read_lines(path), start=1):
        if pair is None:
            continue
        pair = _without_wav(pair)
        where = f"line {number}: {shown(' '.join(pair))}"
        meant = pair if pair in places else spellings.get(tuple(map(utterance_key, pair)))
        if meant and meant != pair:
            mistakes["ids spelt otherwise"].append(f"{where}, expected {shown(' '.join(meant))}")
            pair = meant
        if pair not in places:
            swapped = pair[::-1]
            others.append((spellings.get(tuple(map(utterance_key, swapped)), swapped), where))
        elif not places[pair]:
            mistakes["double"].append(where)
        else:
            place = places[pair].pop(0)
            if place < before:
                mistakes["out of order"].append(f"{where} belongs before the line above")
            before = place
    for pair, where in others:  # last, as a list may have both orders
        kind = "sides swapped" if places.get(pair) else "extra"
        mistakes[kind].append(where)
        if kind != "extra":
            places[pair].pop(0)
    for pair, left in places.items():
        for _ in left:
            mistakes["missing"].append(shown(" ".join(pair)))


def _pairs_of(trial_lists):
    """The two ids of each trial of some lists."""
    for trials in trial_lists:
        yield from zip(*trials.pairs(), strict=True)


def _without_wav(pair):
    """Two ids as score lists have them; None stays None."""
    return pair and tuple(map(without_wav, pair))


def _read_lines(path):
    """Score (None if it is no number) and ids (None if they are not two) of each line.

    Empty lines at the end are none.
    """
    empty = 0
    for line in read_lines(path, "score list"):
        fields = line.split()
        if not fields:
            empty += 1
            continue
        yield from itertools.repeat((None, None), empty)
        empty = 0
        number, *pair = fields
        try:
            score = float(number)
        except ValueError:
            score = None
        yield score, tuple(pair) if len(pair) == 2 else None

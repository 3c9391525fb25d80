"""Write and read score lists."""

import math
import operator
from pathlib import Path

import numpy as np

from local.errors import RecipeError
from local.files import atomic_file


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
    scores, enrol, test, names = [], [], [], {}
    for number, (score, pair) in enumerate(read_lines(path), start=1):
        if pair is None or score is None or not math.isfinite(score):
            raise RecipeError(
                f"{path}:{number}: expected 'score id1 id2' with a finite score; "
                "`python -m local.scoring check` tells all that is wrong"
            )
        scores.append(score)
        for side, name in zip((enrol, test), without_wav(pair), strict=True):
            side.append(names.setdefault(name, name))  # one text for all mentions
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
        See `read_scores`; trials that are not in it, or there twice with different scores.
    """
    scores, enrol, test = read_scores(path)
    named, total = zip(enrol, test, strict=True), sum(map(len, lists))
    if len(scores) != total or any(map(operator.ne, named, pairs_of(lists))):
        wanted, named = list(pairs_of(lists)), zip(enrol, test, strict=True)
        rows = {}
        for row, pair in enumerate(named):
            if scores[rows.setdefault(pair, row)] != scores[row]:
                raise RecipeError(f"{path}: two different scores for {' '.join(pair)}: score anew")
        missing = [pair for pair in wanted if pair not in rows]
        if missing:
            raise RecipeError(
                f"{path}: {len(missing)} of {len(wanted)} trials have no score, first "
                f"{' '.join(missing[0])}; score {', '.join(trials.path for trials in lists)} first"
            )
        scores = scores[[rows[pair] for pair in wanted]]
    return np.split(scores, np.cumsum([len(trials) for trials in lists])[:-1])


def pairs_of(trial_lists):
    """The two ids of each trial of some lists."""
    for trials in trial_lists:
        yield from zip(*trials.pairs(), strict=True)


def without_wav(pair):
    """Two ids as score lists have them; None stays None."""
    return pair and tuple(name.removesuffix(".wav") for name in pair)


def read_lines(path):
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

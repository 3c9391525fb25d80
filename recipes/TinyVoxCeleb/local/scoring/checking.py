"""Find what a score list lacks before it is handed in."""

import math

from local.scoring.score_list import pairs_of, read_lines, without_wav

EXAMPLES = 3  # of each kind of mistake that are told


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
    expected = pairs_of(trial_lists)
    in_order = True
    for number, (score, pair) in enumerate(read_lines(path), start=1):
        if pair is None or score is None:
            mistakes.note("malformed", f"line {number}")
        elif not math.isfinite(score):
            mistakes.note("not finite", f"line {number}: {score}")
        elif not 0 <= score <= 1:
            mistakes.note("outside [0, 1]", f"line {number}: {score}")
        if pair and any(name.endswith(".wav") for name in pair):
            mistakes.note("ids with .wav", f"line {number}")
        in_order = in_order and without_wav(pair) == next(expected, None)
    if not in_order or next(expected, None):
        _compare(path, trial_lists, mistakes)
    return mistakes.found


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
    for place, pair in enumerate(pairs_of(trial_lists)):
        if places.setdefault(pair, place) != place:
            repeats.setdefault(pair, []).append(place)
    missing = dict(places)
    before = -1
    for number, (_, pair) in enumerate(read_lines(path), start=1):
        if pair is None:
            continue
        pair = without_wav(pair)
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

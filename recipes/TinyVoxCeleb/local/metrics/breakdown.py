"""Error rates by group of trials: sex, nationality, duration, known or unknown speakers.

A system whose errors fall on one group looks fine in a single number.
"""

import itertools
from collections.abc import Collection, Sequence
from typing import TypedDict

import numpy as np

from local.errors import first_of
from local.layout import SAMPLE_RATE
from local.metadata import SpeakerInfo
from local.metrics.bootstrap import name_speakers
from local.metrics.evaluation import Value, eer_with_interval
from local.metrics.labelled_trials import LabelledTrials
from local.scoring.lines import brief

SECONDS = (0, 2, 4, 8, 16, np.inf)  # bounds of the groups by duration


class Group(TypedDict):
    """What `breakdown` returns of a group of trials."""

    by: str
    group: str
    target: int
    nontarget: int
    speakers: int
    eer: Value | None
    miss: float | None
    false_alarm: float | None


def breakdown(
    scores: np.ndarray,
    labels: np.ndarray,
    speakers: Sequence[Sequence[str]] | None,
    *,
    people: dict[str, SpeakerInfo] | None = None,
    num_frames: Sequence[np.ndarray] | None = None,
    accepted: np.ndarray | None = None,
    num_bootstrap: int = 200,
    seed: int = 0,
) -> list[Group]:
    """Error rates of the trials by group.

    Trials without label are left out; the other arguments are as for `evaluate`.

    Arguments
    ---------
    speakers : pair of sequences of str or None
        Those of the two sides of each trial; without them only durations are told apart.
    people : dict of str to SpeakerInfo, optional
        What is known of the speakers, by id.
    num_frames : pair of numpy.ndarray, optional
        Length of the two sides of each trial, in audio samples at 16 kHz.
    accepted : numpy.ndarray, optional
        Which trials are accepted; by default those at and above the threshold of the equal error
        rate of all.

    Returns
    -------
    list of dict
        For each group: "by" and "group" name it; "target", "nontarget" and "speakers" count;
        "eer" with "value", "low" and "high", None for a group of one kind of trial; "miss" and
        "false_alarm" rates at the threshold, each None without trials of its kind.
    """
    scores, labels = np.asarray(scores, dtype=float), np.asarray(labels)
    if accepted is None:
        accepted = scores >= LabelledTrials(scores, labels).sorted.eer_threshold()
    names, rows = (None, None) if speakers is None else name_speakers(speakers)
    groups = itertools.chain(
        _groups_of_speakers(names, rows, people) if people and speakers is not None else (),
        _groups_of_lengths(num_frames) if num_frames is not None else (),
    )
    options = {"num_bootstrap": num_bootstrap, "seed": seed}
    entries = []
    for by, group, chosen in groups:
        chosen = chosen & (labels >= 0)
        if chosen.any():
            sides = None if rows is None else rows[:, chosen]
            entry = _measure(*(x[chosen] for x in (scores, labels, accepted)), sides, **options)
            entries.append({"by": by, "group": group, **entry})
    return entries


def side_lengths(
    num_frames: np.ndarray,
    enrol: np.ndarray,
    test: np.ndarray,
    models: Sequence[np.ndarray] | None = None,
) -> list[np.ndarray]:
    """Length of the two sides of each trial, as `breakdown` takes them; all of a model's together.

    `num_frames` are the lengths of utterances, the other arguments those of `Backend.score`.

    Example
    -------
    >>> side_lengths(np.array([3, 4]), np.array([0]), np.array([1]), [np.array([0, 1])])
    [array([7]), array([4])]
    """
    enrolled = num_frames
    if models is not None:
        enrolled = np.array([num_frames[rows].sum() for rows in models])
    return [enrolled[enrol], num_frames[test]]


def untold(people: Collection[str], speakers: Sequence[Sequence[str]] | None, table: str) -> str:
    """What to say where a table of speakers lacks some of those of the trials; "" where it has all.

    Example
    -------
    >>> untold(["0103", "0104"], (["103", "103"], ["103", "104"]), "meta.csv")
    '0 of 2 speakers are in meta.csv, first missing 103, 104, where ids are 0103, 0104'
    """
    if speakers is None:
        return f"the ids of the trials tell no speakers, so nothing of {table} counts"
    names = sorted({name for side in speakers for name in side})
    missing = [name for name in names if name not in people]
    if not missing:
        return ""
    ids = first_of([*map(brief, people)], 2) if people else "none"
    found, first = len(names) - len(missing), first_of([*map(brief, missing)], 2)
    counted = f"{found} of {len(names)} speakers are in {table}"
    return f"{counted}, first missing {first}, where ids are {ids}"


def _groups_of_speakers(names, rows, people):
    """The trials of each pair of sexes, of nations, and of known and unknown speakers."""
    for by, field in (("sex", "sex"), ("nationality", "nationality"), ("speaker", "known")):
        told = [getattr(people.get(name), field, "") for name in names]
        values, codes = np.unique(told, return_inverse=True)
        first, second = np.sort(codes[rows], axis=0)
        pairs = first * len(values) + second
        if by == "nationality":  # pairs of countries would be many and small
            pairs = np.where(first == second, pairs, len(values) ** 2)
        pairs = np.where((values[first] == "") | (values[second] == ""), -1, pairs)
        for pair in np.unique(pairs[pairs >= 0]).tolist():
            one, other = (values[place % len(values)] for place in divmod(pair, len(values)))
            group = str(one) if by == "nationality" else f"{one}-{other}"
            if pair == len(values) ** 2:
                group = "two nationalities"
            yield by, group, pairs == pair


def _groups_of_lengths(num_frames):
    seconds = np.minimum(*num_frames) / SAMPLE_RATE
    for low, high in itertools.pairwise(SECONDS):
        group = f"{low} to {high} s" if low else f"under {high} s"
        if np.isinf(high):
            group = f"{low} s and more"
        yield "duration", group, (low <= seconds) & (seconds < high)


def _measure(scores, labels, accepted, speakers, **options):
    targets, nontargets = (accepted[labels == label] for label in (1, 0))
    both = len(targets) and len(nontargets)
    return {
        "target": len(targets),
        "nontarget": len(nontargets),
        "speakers": 0 if speakers is None else len(np.unique(speakers)),
        "eer": eer_with_interval(scores, labels, speakers, **options) if both else None,
        "miss": float(1 - targets.mean()) if len(targets) else None,
        "false_alarm": float(nontargets.mean()) if len(nontargets) else None,
    }

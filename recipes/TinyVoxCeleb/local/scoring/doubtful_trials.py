"""Trials that an error rate had better be without: an utterance with itself, and repeated ones.

Any network gets the trial of an utterance with itself right, so that some of them turn a bad EER
into a good one. A repeated trial weighs more than others. "a b" and "b a" are the same trial here:
what is compared is the same, and most back ends give both the same score.
"""

from collections.abc import Sequence

import numpy as np


def find_doubtful(
    labels: np.ndarray,
    enrol: np.ndarray,
    test: np.ndarray,
    keys: Sequence[str],
    *,
    counted: bool = False,
    enrolled: np.ndarray | None = None,
) -> tuple[np.ndarray, str]:
    """Labels that leave self-trials out, which `counted` prevents, and what there is to say.

    The sides of the trials are given by places in `keys`, shape (trials,). A trial that is left out
    has the label -1, as those that nobody knows. Where first sides are models, `enrolled` tells
    which trials have an utterance on the other side that the model was enrolled with.

    Example
    -------
    >>> ends = np.array([0, 0, 1]), np.array([0, 1, 0])
    >>> labels, remarks = find_doubtful(np.array([1, 0, 0]), *ends, ["a", "b"])
    >>> labels.tolist(), remarks.split(";")[0]
    ([-1, 0, 0], '1 trial of an utterance with itself (left out of the metrics)')
    """
    places = {}
    same = np.array([places.setdefault(key, len(places)) for key in keys])
    first, second = same[enrol], same[test]
    own, said = first == second if enrolled is None else enrolled, []
    if number := int(own.sum()):
        how = "counted as any other" if counted else "left out of the metrics"
        kind = "an utterance with itself" if enrolled is None else "a model with its own utterance"
        said.append(f"{_trials(number)} of {kind} ({how})")
    # A sort of the pairs is less work than a set of them.
    pairs = np.minimum(first, second) * len(places) + np.maximum(first, second)
    if number := int((np.diff(np.sort(pairs)) == 0).sum()):
        text = f"{_trials(number)} repeated, in either order (each counts as often as it is there)"
        if clashing := _with_other_label(pairs, labels):
            text += f", {clashing} with another label than before: one of the two is wrong"
        said.append(text)
    if not counted:
        labels = np.where(own, -1, labels)
    return labels, "; ".join(said)


def _with_other_label(pairs, labels):
    known = labels >= 0
    both = np.unique(np.stack([pairs[known], labels[known]]), axis=1)
    return int((np.diff(both[0]) == 0).sum())


def _trials(number):
    return f"{number} trial{'s' if number > 1 else ''}"

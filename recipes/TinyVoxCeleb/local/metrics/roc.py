"""From scores and labels to the ROC and its convex hull: one sort, then only sums."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import isotonic_regression


class SortedTrials:
    """Trials sorted by score once, so that any weights of them give an ROC in linear time.

    The scores are finite, higher for the same speaker; the labels 1 for target and 0 for
    non-target, and there are both kinds.

    Example
    -------
    >>> trials = SortedTrials([0.9, 0.4, 0.6, 0.1], [1, 1, 0, 0])
    >>> trials.roc()
    (array([0. , 0. , 0.5, 0.5, 1. ]), array([1. , 0.5, 0.5, 0. , 0. ]))
    """

    def __init__(self, scores: ArrayLike, labels: ArrayLike):
        self.order = np.argsort(-np.asarray(scores, dtype=np.float64))
        self.scores = np.asarray(scores, dtype=np.float64)[self.order]
        self.is_target = np.asarray(labels)[self.order] == 1
        # Trials of equal score are accepted together: the last of each such group counts.
        self.last = np.append(np.flatnonzero(np.diff(self.scores)), len(self.scores) - 1)

    def roc(self, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Error rates of all thresholds.

        The weights of the trials are not negative, and some of both kinds are positive.

        Returns
        -------
        (numpy.ndarray, numpy.ndarray)
            False alarm rates, rising from 0 to 1, and miss rates, falling from 1 to 0: first those
            of a threshold above all scores, then one point for each distinct score.
        """
        if weights is None:
            hits = np.cumsum(self.is_target)[self.last]
            false_alarms = self.last + 1 - hits
        else:
            weights = weights[self.order]
            hits = np.cumsum(np.where(self.is_target, weights, 0))[self.last]
            false_alarms = np.cumsum(np.where(self.is_target, 0, weights))[self.last]
        miss = np.concatenate([[1.0], 1 - hits / hits[-1]])
        return np.concatenate([[0.0], false_alarms / false_alarms[-1]]), miss

    def corners(self) -> tuple[np.ndarray, np.ndarray]:
        """Where the ROC turns, with any weights of the trials: the rest of it is straight.

        Trials of one kind that follow each other make one straight piece, and so do those of equal
        score: of a good system's list, a fraction of all points is left.

        Returns
        -------
        (numpy.ndarray, numpy.ndarray)
            How many non-targets and how many targets are accepted there, from none to all.

        Example
        -------
        >>> SortedTrials([0.9, 0.8, 0.7, 0.6, 0.1], [1, 1, 0, 0, 1]).corners()
        (array([0, 0, 2, 2]), array([0, 2, 2, 3]))
        """
        hits = np.append(0, np.cumsum(self.is_target)[self.last])
        false_alarms = np.append(0, self.last + 1) - hits
        kinds = 2 * (np.diff(false_alarms) > 0) + (np.diff(hits) > 0)
        turns = (kinds[1:] != kinds[:-1]) | (kinds[1:] == 3)
        kept = np.concatenate([[True], turns, [True]])
        return false_alarms[kept], hits[kept]

    def eer_threshold(self) -> float:
        """The highest threshold at which the miss rate is at most the false alarm rate.

        Trials with that score and above are accepted.
        """
        false_alarm, miss = self.roc()
        return float(self.scores[self.last[np.argmax(miss <= false_alarm) - 1]])


def roc(
    scores: ArrayLike, labels: ArrayLike, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The ROC as false alarm and miss rates, see `SortedTrials`."""
    return SortedTrials(scores, labels).roc(weights)


def convex_hull(false_alarm: np.ndarray, miss: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False alarm and miss rates at the vertices of the convex hull of an ROC.

    By pool-adjacent-violators: scores are pooled until the proportion of targets rises with the
    score; each pool is a segment of the hull [1].

    References
    ----------
    [1] N. Brümmer and J. du Preez, "The PAV algorithm optimizes binary proper scoring rules",
    2013, arXiv:1304.2331.

    Example
    -------
    >>> convex_hull(np.array([0, 0, 0.5, 0.5, 1]), np.array([1, 0.5, 0.5, 0, 0]))
    (array([0. , 0. , 0.5, 1. ]), array([1. , 0.5, 0. , 0. ]))
    """
    targets, nontargets = -np.diff(miss), np.diff(false_alarm)
    # Weighing both classes alike keeps the sums well scaled and does not move the hull.
    moving = np.flatnonzero(targets + nontargets)
    total = (targets + nontargets)[moving]
    pools = isotonic_regression(targets[moving] / total, weights=total, increasing=False).blocks
    vertices = moving[pools[1:] - 1] + 1
    return (
        np.concatenate([[0.0], false_alarm[vertices]]),
        np.concatenate([[1.0], miss[vertices]]),
    )

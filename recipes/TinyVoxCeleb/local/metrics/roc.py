"""From scores and labels to the ROC and its convex hull: one sort, then only sums."""

import numpy as np
from scipy.optimize import isotonic_regression


class SortedTrials:
    """Trials sorted by score once, so that any weights of them give an ROC in linear time.

    Arguments
    ---------
    scores : array_like
        Higher means same speaker, finite, shape (trials,).
    labels : array_like
        1 for target, 0 for non-target, shape (trials,); both kinds.

    Example
    -------
    >>> trials = SortedTrials([0.9, 0.4, 0.6, 0.1], [1, 1, 0, 0])
    >>> trials.roc()
    (array([0. , 0. , 0.5, 0.5, 1. ]), array([1. , 0.5, 0.5, 0. , 0. ]))
    """

    def __init__(self, scores, labels):
        self.order = np.argsort(-np.asarray(scores, dtype=np.float64))
        self.scores = np.asarray(scores, dtype=np.float64)[self.order]
        self.is_target = np.asarray(labels)[self.order] == 1
        # Trials of equal score are accepted together: the last of each such group counts.
        self.last = np.append(np.flatnonzero(np.diff(self.scores)), len(self.scores) - 1)

    def roc(self, weights=None):
        """Error rates of all thresholds.

        Arguments
        ---------
        weights : numpy.ndarray, optional
            Not negative, some of them positive for both kinds, in the order of the given scores.

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

    def eer_threshold(self):
        """The highest score at which, accepted with all above, misses are no more frequent than
        false alarms.
        """
        false_alarm, miss = self.roc()
        return float(self.scores[self.last[np.argmax(miss <= false_alarm) - 1]])


def roc(scores, labels, weights=None):
    """The ROC as error rates, see `SortedTrials`."""
    return SortedTrials(scores, labels).roc(weights)


def convex_hull(false_alarm, miss):
    """The convex hull of an ROC, by pool-adjacent-violators.

    Scores are pooled until the proportion of targets rises with the score; each pool is a segment
    of the hull [1].

    Arguments
    ---------
    false_alarm, miss : numpy.ndarray
        As `SortedTrials.roc` returns them.

    Returns
    -------
    (numpy.ndarray, numpy.ndarray)
        False alarm and miss rates at the vertices of the hull, in the same order.

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

"""Single numbers that sum up errors: equal error rate, detection costs, minimum Cllr, area.

Most take the points of an ROC or of its convex hull, false alarm and miss rates of the shape
(points,), as `local.metrics.roc` makes them.
"""

import numpy as np
from scipy.special import xlogy


def crossing(false_alarm: np.ndarray, miss: np.ndarray) -> float:
    """Equal error rate, in [0, 1]: where the line through the points has equal rates.

    Of the ROC's points this is the interpolated EER, of its convex hull's the official one.

    Example
    -------
    >>> crossing(np.array([0, 0, 0.5, 1]), np.array([1, 0.5, 0, 0]))
    0.25
    """
    gap = miss - false_alarm
    after = int(np.argmax(gap <= 0))
    before = after - 1
    part = gap[before] / (gap[before] - gap[after])
    return float(false_alarm[before] + part * (false_alarm[after] - false_alarm[before]))


def detection_cost(
    false_alarm: float | np.ndarray, miss: float | np.ndarray, p_target: float
) -> float | np.ndarray:
    """Normalised detection cost of each point, where a miss and a false alarm cost the same [1].

    `p_target` is the prior probability of a target trial, within (0, 1). A system that always gives
    the better of the two answers without listening has a cost of 1.

    References
    ----------
    [1] NIST 2016 Speaker Recognition Evaluation Plan, section 3.1.

    Example
    -------
    >>> detection_cost(0.01, 0.5, p_target=0.01)
    1.49
    """
    cost = p_target * miss + (1 - p_target) * false_alarm
    return cost / min(p_target, 1 - p_target)


def min_dcf(false_alarm: np.ndarray, miss: np.ndarray, p_target: float) -> float:
    """Minimum of the normalised detection cost over all thresholds, see `detection_cost`.

    Example
    -------
    >>> min_dcf(np.array([0, 0, 0.5, 1]), np.array([1, 0.5, 0, 0]), p_target=0.01)
    0.5
    """
    return float(detection_cost(false_alarm, miss, p_target).min())


def wrong_decisions(llrs: np.ndarray, labels: np.ndarray, p_target: float) -> np.ndarray:
    """Which of the decisions are wrong that log-likelihood ratios stand for, a mask.

    A trial, with label 1 or 0, is accepted where its ratio reaches the Bayes threshold of the
    prior. What these errors cost is the actual detection cost.

    Example
    -------
    >>> wrong_decisions(np.array([9.0, 1.0, -9.0]), np.array([1, 1, 0]), p_target=0.01)
    array([False,  True, False])
    """
    return (llrs >= np.log((1 - p_target) / p_target)) != (labels == 1)


def min_cllr(false_alarm: np.ndarray, miss: np.ndarray) -> float:
    """Cllr after the best monotone calibration: what the order of the scores allows.

    It takes the vertices of the convex hull: each segment is a pool of the best calibration, its
    slope the likelihood ratio.

    Example
    -------
    >>> min_cllr(np.array([0.0, 1.0]), np.array([1.0, 0.0]))  # all scores equal
    1.0
    """
    targets, nontargets = -np.diff(miss), np.diff(false_alarm)
    total = targets + nontargets
    bits = -(xlogy(targets, targets / total) + xlogy(nontargets, nontargets / total)) / np.log(2)
    return float(bits.sum()) / 2


def area_under_roc(false_alarm: np.ndarray, miss: np.ndarray) -> float:
    """Probability that a target scores higher than a non-target; ties count half.

    Example
    -------
    >>> area_under_roc(np.array([0, 0, 0.5, 0.5, 1]), np.array([1, 0.5, 0.5, 0, 0]))
    0.75
    """
    return float(np.trapezoid(1 - miss, false_alarm))

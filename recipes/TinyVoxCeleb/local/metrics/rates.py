"""Numbers that sum up an ROC: equal error rate, minimum detection cost, area.

All take the points of an ROC or of its convex hull, as `local.metrics.roc` makes them.
"""

import numpy as np


def crossing(false_alarm, miss):
    """Equal error rate: where the line through the points has equal rates.

    Of the ROC's points this is the interpolated EER, of its convex hull's the official one.

    Arguments
    ---------
    false_alarm, miss : numpy.ndarray
        Rates, shape (points,).

    Returns
    -------
    float
        In [0, 1].

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


def detection_cost(false_alarm, miss, p_target, c_miss=1.0, c_fa=1.0):
    """Normalised detection cost of each point [1].

    A system that always gives the better of the two answers without listening has a cost of 1.

    Arguments
    ---------
    false_alarm, miss : float or numpy.ndarray
    p_target : float
        Prior probability of a target trial, within (0, 1).
    c_miss, c_fa : float
        What a miss and a false alarm cost.

    Returns
    -------
    float or numpy.ndarray

    References
    ----------
    [1] NIST 2016 Speaker Recognition Evaluation Plan, section 3.1.

    Example
    -------
    >>> detection_cost(0.01, 0.5, p_target=0.01)
    1.49
    """
    cost = c_miss * p_target * miss + c_fa * (1 - p_target) * false_alarm
    return cost / min(c_miss * p_target, c_fa * (1 - p_target))


def min_dcf(false_alarm, miss, p_target, c_miss=1.0, c_fa=1.0):
    """Minimum of the normalised detection cost over all thresholds, see `detection_cost`.

    Example
    -------
    >>> min_dcf(np.array([0, 0, 0.5, 1]), np.array([1, 0.5, 0, 0]), p_target=0.01)
    0.5
    """
    return float(detection_cost(false_alarm, miss, p_target, c_miss, c_fa).min())


def area_under_roc(false_alarm, miss):
    """Probability that a target scores higher than a non-target; ties count half.

    Example
    -------
    >>> area_under_roc(np.array([0, 0, 0.5, 0.5, 1]), np.array([1, 0.5, 0.5, 0, 0]))
    0.75
    """
    return float(np.trapezoid(1 - miss, false_alarm))

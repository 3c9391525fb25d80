"""How good scores are as log-likelihood ratios: Cllr and the actual detection cost."""

import numpy as np
from scipy.special import logit, xlogy

from local.metrics.rates import detection_cost

_EVEN = 1e-16  # 1 - p is not told from 1 below this


def log_likelihood_ratios(probabilities):
    """From the probability of "same speaker" at even prior to the log-likelihood ratio.

    Arguments
    ---------
    probabilities : array_like
        In [0, 1]: the scores of a calibrated score list.

    Returns
    -------
    numpy.ndarray
        Natural logarithm, finite: within about 37 of 0.

    Example
    -------
    >>> log_likelihood_ratios([0.5, 1.0]).round(2)
    array([ 0.  , 36.74])
    """
    return logit(np.clip(probabilities, _EVEN, np.nextafter(1.0, 0.0)))


def cllr(llrs, labels, weights=None):
    """Cost of log-likelihood ratios, in bits [1]: 0 is perfect, 1 is knowing nothing.

    Arguments
    ---------
    llrs : numpy.ndarray
        Natural logarithms, shape (trials,).
    labels : numpy.ndarray
        1 or 0.
    weights : numpy.ndarray, optional
        Of the trials.

    Returns
    -------
    float

    References
    ----------
    [1] N. Brümmer and J. du Preez, "Application-independent evaluation of speaker detection",
    Computer Speech & Language 20, 2006.

    Example
    -------
    >>> cllr(np.zeros(2), np.array([1, 0]))
    1.0
    """
    weights = np.ones(len(llrs)) if weights is None else weights
    is_target = labels == 1
    bits = np.logaddexp(0, np.where(is_target, -llrs, llrs)) / np.log(2)
    sides = (is_target, ~is_target)
    return float(sum(np.average(bits[side], weights=weights[side]) for side in sides)) / 2


def min_cllr(false_alarm, miss):
    """Cllr after the best monotone calibration: what the order of the scores allows.

    Arguments
    ---------
    false_alarm, miss : numpy.ndarray
        Vertices of the convex hull of the ROC: each segment is a pool of the best calibration, its
        slope the likelihood ratio.

    Returns
    -------
    float

    Example
    -------
    >>> min_cllr(np.array([0.0, 1.0]), np.array([1.0, 0.0]))  # all scores equal
    1.0
    """
    targets, nontargets = -np.diff(miss), np.diff(false_alarm)
    total = targets + nontargets
    bits = -(xlogy(targets, targets / total) + xlogy(nontargets, nontargets / total)) / np.log(2)
    return float(bits.sum()) / 2


def act_dcf(llrs, labels, p_target, c_miss=1.0, c_fa=1.0, weights=None):
    """Normalised detection cost of the decisions that log-likelihood ratios stand for.

    A trial is accepted where its ratio reaches the Bayes threshold of the prior and costs.

    Arguments
    ---------
    llrs, labels, weights
        As for `cllr`.
    p_target, c_miss, c_fa
        As for `local.metrics.rates.detection_cost`.

    Returns
    -------
    float

    Example
    -------
    >>> act_dcf(np.array([9.0, 1.0, -9.0]), np.array([1, 1, 0]), p_target=0.01)
    0.5
    """
    weights = np.ones(len(llrs)) if weights is None else weights
    accepted = llrs >= np.log(c_fa * (1 - p_target) / (c_miss * p_target))
    is_target = labels == 1
    miss = np.average(~accepted[is_target], weights=weights[is_target])
    false_alarm = np.average(accepted[~is_target], weights=weights[~is_target])
    return float(detection_cost(false_alarm, miss, p_target, c_miss, c_fa))

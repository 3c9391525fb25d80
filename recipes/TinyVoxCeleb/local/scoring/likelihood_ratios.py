"""Log-likelihood ratios: what probabilities stand for, what they cost, where to decide.

All are natural logarithms.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logit

from local.errors import RecipeError

EVEN = 1e-16  # 1 - p is not told from 1 below this


def log_likelihood_ratios(probabilities: ArrayLike) -> np.ndarray:
    """From the probability of "same speaker" at even prior to the log-likelihood ratio.

    The ratios of probabilities 0 and 1 are finite: within about 37 of 0.

    Example
    -------
    >>> log_likelihood_ratios([0.5, 1.0]).round(2)
    array([ 0.  , 36.74])
    """
    return logit(np.clip(probabilities, EVEN, np.nextafter(1.0, 0.0)))


def costs_in_bits(llrs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What the log-likelihood ratio of each trial costs, with label 1 or 0, see `cllr`."""
    return np.logaddexp(0, np.where(labels == 1, -llrs, llrs)) / np.log(2)


def cllr(llrs: np.ndarray, labels: np.ndarray) -> float:
    """Cost of log-likelihood ratios, in bits [1]: 0 is perfect, 1 is knowing nothing.

    Labels are 1 or 0, both there. A calibration at even prior minimises this cost on what it is
    fitted on.

    References
    ----------
    [1] N. Brümmer and J. du Preez, "Application-independent evaluation of speaker detection",
    Computer Speech & Language 20, 2006.

    Example
    -------
    >>> cllr(np.zeros(2), np.array([1, 0]))
    1.0
    """
    bits = costs_in_bits(llrs, labels)
    return float(bits[labels == 1].mean() + bits[labels != 1].mean()) / 2


def threshold(p_target: float, c_miss: float = 1.0, c_fa: float = 1.0) -> float:
    """The log-likelihood ratio above which "same speaker" costs less on average (Bayes).

    `p_target` is how often a trial is a target where decisions are to be made; the costs are those
    of a miss and of a false alarm.

    Raises
    ------
    RecipeError
        If `p_target` is not between 0 and 1 or a cost is not above 0.

    Example
    -------
    >>> threshold(0.5), round(threshold(0.01), 2)
    (0.0, 4.6)
    """
    if not (0 < p_target < 1 and 0 < c_miss < np.inf and 0 < c_fa < np.inf):
        raise RecipeError(
            f"p_target {p_target}, c_miss {c_miss}, c_fa {c_fa}: expected a probability between 0 "
            "and 1 and costs above 0"
        )
    return float(np.log(c_fa / c_miss) - logit(p_target))

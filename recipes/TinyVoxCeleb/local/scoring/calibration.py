"""Fit a calibration: from scores of labelled trials to log-likelihood ratios that can be trusted.

It may be fitted on train, val or dev trials, never on other evaluation trials: those have no
labels, and a trial without a label goes into no fit here.
"""

import logging

import numpy as np
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from local.errors import RecipeError
from local.scoring.decisions import Calibration, as_columns

# On the squared weights: it moves ordinary fits by nothing and keeps separable ones finite.
PENALTY = 1e-4

logger = logging.getLogger(__name__)


def fit_calibration(scores, labels, quality=None, *, prior=0.5):
    """Fit a calibration by logistic regression, weighing targets and non-targets by a prior [1].

    Arguments
    ---------
    scores : array_like
        Shape (trials,), or (trials, systems) to fuse several systems.
    labels : array_like
        1 for target, 0 for non-target; trials with -1 are left out. Shape (trials,).
    quality : numpy.ndarray, optional
        From `local.scoring.decisions.quality_measures`, shape (trials, measures).
    prior : float
        Weight of all targets together; the non-targets weigh the rest. It says where on the scale
        the calibration is to be best, and is taken out of the ratios again.

    Returns
    -------
    Calibration
        A warning is logged if it turns the scores round.

    Raises
    ------
    RecipeError
        A score or measure that is not finite, no target or no non-target trial, a prior that is not
        between 0 and 1.

    References
    ----------
    [1] N. Brümmer et al., "Fusion of heterogeneous speaker recognition systems in the STBU
    submission for the NIST SRE 2006", IEEE TASLP 2007.

    Example
    -------
    >>> calibration = fit_calibration([2.0, 1.0, -1.0, -2.0], [1, 0, 1, 0])
    >>> calibration(np.array([0.0])).round(3) + 0.0
    array([0.])
    """
    scores, labels, measures = checked(scores, labels, quality, prior)
    calibration = fit_weighted(scores, labels, measures, prior)
    if scores.shape[1] == 1 and calibration.weights[0] < 0:
        logger.warning(
            "calibration: targets score lower than non-targets, so the scores are turned round; "
            "are the labels right?"
        )
    return calibration


def threshold(p_target, c_miss=1.0, c_fa=1.0):
    """The log-likelihood ratio above which "same speaker" costs less on average (Bayes).

    Arguments
    ---------
    p_target : float
        How often a trial is a target where decisions are to be made.
    c_miss, c_fa : float
        Costs of a miss and of a false alarm.

    Returns
    -------
    float

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


def checked(scores, labels, quality, prior):
    """Scores (trials, systems), labels, and measures (trials, 0) where there are none."""
    labels = np.asarray(labels)
    scores, measures = as_measured(scores, quality)
    bad = ~np.isfinite(np.hstack([scores, measures])).all(axis=1)
    if bad.any():
        raise RecipeError(
            f"calibration: {bad.sum()} of {len(bad)} trials have scores or measures not finite"
        )
    if not 0 < prior < 1:
        raise RecipeError(f"calibration: prior {prior}: expected a probability between 0 and 1")
    check_kinds(labels, "calibration")
    return scores, labels, measures


def as_measured(scores, quality):
    """Scores (trials, systems) and measures (trials, 0 or more)."""
    scores = as_columns(scores)
    return scores, np.empty((len(scores), 0)) if quality is None else np.asarray(quality)


def check_kinds(labels, where):
    """Check that there are targets and non-targets to fit on."""
    targets, nontargets = np.sum(labels == 1), np.sum(labels == 0)
    if not targets or not nontargets:
        raise RecipeError(
            f"{where}: {targets} target and {nontargets} non-target trials to fit on, and both "
            "kinds are needed; use a list with more labelled trials"
        )


def fit_weighted(scores, labels, measures, prior):
    """The fit of `fit_calibration`, of what `checked` has returned."""
    known = labels >= 0
    scores, labels, measures = scores[known], labels[known], measures[known]
    columns = np.hstack([scores, measures])
    shares = np.where(labels == 1, prior, 1 - prior)
    weights = shares / np.bincount(labels)[labels]
    mean = weights @ columns
    spread = np.sqrt(weights @ (columns - mean) ** 2)
    spread[spread <= 1e-9 * np.maximum(np.abs(mean), 1e-9)] = 1.0  # a constant gets no weight
    model = LogisticRegression(C=1 / PENALTY, tol=1e-9, max_iter=1000)
    model.fit((columns - mean) / spread, labels, sample_weight=weights)
    slopes = model.coef_[0] / spread
    return Calibration(
        weights=slopes.tolist(),
        offset=float(model.intercept_[0] - slopes @ mean - logit(prior)),
        prior=prior,
        low=measures.min(axis=0).tolist(),
        high=measures.max(axis=0).tolist(),
    )

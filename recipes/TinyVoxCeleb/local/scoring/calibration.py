"""Fit a calibration: from scores of labelled trials to log-likelihood ratios that can be trusted.

It may be fitted on train, val or dev trials, never on other evaluation trials: those have no
labels, and a trial without a label goes into no fit here. Trials of the speakers that a calibration
was fitted on are calibrated honestly by cross-validation over the speakers.
"""

import itertools
import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from local.errors import RecipeError, first_of
from local.scoring.decisions import Calibration, as_columns
from local.scoring.score_list import LARGEST
from local.scoring.trials import TrialList, check_both_kinds

# On the squared weights: it moves ordinary fits by nothing and keeps separable ones finite.
PENALTY = 1e-4
NUM_FOLDS = 5
NO_FOLD = -1  # of speakers that nothing is fitted on
MIN_SPEAKERS = 4  # without the two of a trial, two are left: the fewest that have non-targets
NEEDED = " to fit on, and both kinds are needed; use a list with more labelled trials"

logger = logging.getLogger(__name__)


def fit_calibration(
    scores: ArrayLike, labels: ArrayLike, quality: np.ndarray | None = None, *, prior: float = 0.5
) -> Calibration:
    """Fit a calibration by logistic regression, weighing targets and non-targets by a prior [1].

    The scores have the shape (trials,), or (trials, systems) to fuse several systems; the labels
    are 1 for target and 0 for non-target, and trials with -1 are left out; `quality` is from
    `quality_measures`. All targets together weigh `prior`, the non-targets the rest: that says
    where on the scale the calibration is to be best, and is taken out of the ratios again. A
    warning is logged if the fit turns the scores round.

    Raises
    ------
    RecipeError
        A score or measure that is not finite, or too large, no target or no non-target trial, a
        prior that is not between 0 and 1.

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
    scores, labels, measures = _checked(scores, labels, quality, prior)
    calibration = fit_weighted(scores, labels, measures, prior)
    if scores.shape[1] == 1 and calibration.weights[0] < 0:
        logger.warning(
            "calibration: targets score lower than non-targets, so the scores are turned round; "
            "are the labels right?"
        )
    return calibration


def share_speakers(first: TrialList, second: TrialList) -> bool:
    """Whether two lists have a speaker in common; lists with anonymous ids tell of none."""
    sides = first.speakers(), second.speakers()
    return None not in sides and not set().union(*sides[0]).isdisjoint(set().union(*sides[1]))


def cross_validated_llrs(
    scores: ArrayLike,
    labels: ArrayLike,
    speakers: Sequence[Sequence[str]] | None,
    quality: np.ndarray | None = None,
    *,
    others: tuple | None = None,
    prior: float = 0.5,
    seed: int = 0,
) -> np.ndarray:
    """Calibrate trials by labelled ones, without any speaker in both fit and result.

    The speakers that are fitted on are dealt into folds. A trial between speakers of the folds a
    and b gets its ratio from a calibration fitted on the trials that have no speaker of a or b; one
    between two other speakers from a calibration fitted on all.

    Arguments
    ---------
    scores, labels, quality, prior
        To fit on, as for `fit_calibration`.
    speakers : pair of sequences of str or None
        Of the two sides of each trial.
    others : (array_like, pair of sequences of str, numpy.ndarray or None), optional
        Scores, speakers and quality of the trials to calibrate, where they are not these.
    seed : int
        Of the dealing.

    Raises
    ------
    RecipeError
        As for `fit_calibration`; unknown speakers, fewer than four, or a fold that leaves no target
        or no non-target trial to fit on.
    """
    if speakers is None:
        raise RecipeError(
            "calibration: the trials do not tell their speakers, so none can be kept out"
        )
    other_scores, other_speakers, other_quality = others or (scores, speakers, quality)
    scores, labels, measures = _checked(scores, labels, quality, prior)
    other_scores, other_measures = _as_measured(other_scores, other_quality)
    names = np.unique(np.concatenate(speakers))
    num_folds = min(NUM_FOLDS, len(names))
    if num_folds < MIN_SPEAKERS:
        raise RecipeError(
            f"calibration: the trials have {len(names)} speakers, and to keep those of a trial out "
            f"of its fit takes {MIN_SPEAKERS} or more; use a list with more speakers"
        )
    dealt = np.random.default_rng(seed).permutation(len(names)) % num_folds
    fold = dict(zip(names.tolist(), dealt.tolist(), strict=True))
    sides = [np.array([fold[name] for name in side]) for side in speakers]
    other_sides = [np.array([fold.get(name, NO_FOLD) for name in side]) for side in other_speakers]
    llrs = np.empty(len(other_scores))
    for a, b in itertools.combinations_with_replacement(range(NO_FOLD, num_folds), 2):
        held_out = (np.minimum(*other_sides) == a) & (np.maximum(*other_sides) == b)
        if held_out.any():
            fitted = ~np.isin(sides, (a, b)).any(axis=0)
            where = f"calibration without {_some(names[np.isin(dealt, (a, b))])}"
            check_both_kinds(labels[fitted], where, NEEDED)
            calibration = fit_weighted(scores[fitted], labels[fitted], measures[fitted], prior)
            llrs[held_out] = calibration(other_scores[held_out], other_measures[held_out])
    return llrs


def _checked(scores, labels, quality, prior):
    """Scores (trials, systems), labels, and measures (trials, 0) where there are none."""
    labels = np.asarray(labels)
    scores, measures = _as_measured(scores, quality)
    bad = ~(np.abs(np.hstack([scores, measures])) <= LARGEST).all(axis=1)
    if bad.any():
        raise RecipeError(
            f"calibration: {bad.sum()} of {len(bad)} trials have scores or measures not finite, or "
            f"beyond {LARGEST:g}"
        )
    if not 0 < prior < 1:
        raise RecipeError(f"calibration: prior {prior}: expected a probability between 0 and 1")
    check_both_kinds(labels, "calibration", NEEDED)
    return scores, labels, measures


def _as_measured(scores, quality):
    """Scores (trials, systems) and measures (trials, 0 or more)."""
    scores = as_columns(scores)
    return scores, np.empty((len(scores), 0)) if quality is None else np.asarray(quality)


def fit_weighted(scores, labels, measures, prior):
    """The fit of `fit_calibration`, of what `_checked` has returned."""
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


def _some(names):
    return f"the speakers {first_of(names, 3)}"

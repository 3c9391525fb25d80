"""From scores and labels to error rates, by the ROC and its convex hull.

Authors
 * The TinyVoxCeleb authors 2026
"""

from dataclasses import dataclass

import numpy as np
from sklearn.isotonic import isotonic_regression
from sklearn.metrics import roc_curve

from local.errors import RecipeError

MIN_SPEAKERS = 5  # below, resampling them says nothing


@dataclass(frozen=True)
class EqualErrorRate:
    """What is reported of a list of labelled trials.

    Arguments
    ---------
    convex_hull : float
        EER of the ROC convex hull, in [0, 1]: the official metric.
    interpolated : float
        EER where the straight lines between the points of the ROC cross the diagonal.
    interval : tuple of float
        95 % interval of `convex_hull`, from a bootstrap over speakers; NaN where it was not asked
        for, where there are fewer than 5 speakers, or where every resample gave the same.
    num_target, num_nontarget : int
        Counts of trials.
    num_speakers : int
        Speakers in these trials; 0 where they are not known.
    """

    convex_hull: float
    interpolated: float
    interval: tuple
    num_target: int
    num_nontarget: int
    num_speakers: int = 0

    def __str__(self):
        low, high = self.interval
        interval = speakers = ""
        if self.num_speakers:
            known = f"95 % interval {low:.2%} to {high:.2%}"
            interval = f", {'too little for an interval' if np.isnan(low) else known}"
            speakers = f" of {self.num_speakers} speakers"
        return (
            f"EER {self.convex_hull:.2%} (convex hull{interval}), {self.interpolated:.2%} "
            f"(interpolated); {self.num_target} target and {self.num_nontarget} non-target trials"
            f"{speakers}"
        )


def equal_error_rate(scores, labels, speakers=None, num_bootstrap=200, seed=0):
    """Equal error rate, by convex hull and interpolated, with an interval where speakers are known.

    Arguments
    ---------
    scores : array_like
        Higher means same speaker, shape (trials,).
    labels : array_like
        1 for target, 0 for non-target; trials with -1 are left out. Shape (trials,).
    speakers : pair of sequences of str, optional
        The speakers of the two sides of each trial. Trials that share a speaker are not
        independent, so the interval resamples speakers, not trials [1].
    num_bootstrap : int
        Resamples; equal seeds give equal intervals.
    seed : int

    Returns
    -------
    EqualErrorRate

    Raises
    ------
    RecipeError
        A score that is not finite; no target or no non-target trial.

    References
    ----------
    [1] N. Poh and S. Bengio, "Estimating the confidence interval of expected performance curve in
    biometric authentication using joint bootstrap", ICASSP 2007.

    Example
    -------
    >>> print(equal_error_rate([0.9, 0.4, 0.6, 0.1], [1, 1, 0, 0]))
    EER 25.00% (convex hull), 50.00% (interpolated); 2 target and 2 non-target trials
    """
    scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    known = labels >= 0
    if not np.isfinite(scores).all():
        raise RecipeError(f"{(~np.isfinite(scores)).sum()} of {len(scores)} scores are not finite")
    check_both_kinds(labels, "trials")
    scores, labels = scores[known], labels[known]
    interval, num_speakers = (np.nan, np.nan), 0
    if speakers is not None:
        first, second = (np.asarray(side)[known] for side in speakers)
        names, rows = np.unique(np.concatenate([first, second]), return_inverse=True)
        num_speakers = len(names)
        if num_speakers >= MIN_SPEAKERS:
            pairs = np.split(rows, 2)
            interval = _bootstrap(scores, labels, pairs, num_speakers, num_bootstrap, seed)
    return EqualErrorRate(
        convex_hull=_crossing(*convex_hull(scores, labels)),
        interpolated=_crossing(*roc(scores, labels)),
        interval=interval,
        num_target=int((labels == 1).sum()),
        num_nontarget=int((labels == 0).sum()),
        num_speakers=num_speakers,
    )


def check_both_kinds(labels, where):
    """Check that labels hold target and non-target trials.

    Arguments
    ---------
    labels : numpy.ndarray
        1, 0 or -1.
    where : str
        What the message names.

    Raises
    ------
    RecipeError
    """
    targets, nontargets = int((labels == 1).sum()), int((labels == 0).sum())
    if not targets or not nontargets:
        raise RecipeError(
            f"{where}: {targets} target and {nontargets} non-target trials: an EER needs both kinds"
        )


def roc(scores, labels, weights=None):
    """The ROC as error rates.

    Arguments
    ---------
    scores, labels : numpy.ndarray
        Shape (trials,); labels 1 or 0.
    weights : numpy.ndarray, optional
        Of the trials, shape (trials,).

    Returns
    -------
    (numpy.ndarray, numpy.ndarray)
        False alarm rates, rising from 0 to 1, and miss rates, falling from 1 to 0; one point for
        each distinct score.
    """
    false_alarm, hit, _ = roc_curve(labels, scores, sample_weight=weights, drop_intermediate=False)
    return false_alarm, 1 - hit


def convex_hull(scores, labels, weights=None):
    """The convex hull of the ROC, by pool-adjacent-violators.

    Scores are pooled until the proportion of targets rises with the score; each pool is a segment
    of the hull [1].

    Arguments
    ---------
    scores, labels, weights
        As for `roc`.

    Returns
    -------
    (numpy.ndarray, numpy.ndarray)
        False alarm and miss rates at the points of the hull.

    References
    ----------
    [1] N. Brümmer and J. du Preez, "The PAV algorithm optimizes binary proper scoring rules",
    2013, arXiv:1304.2331.
    """
    false_alarm, miss = roc(scores, labels, weights)
    targets, nontargets = -np.diff(miss), np.diff(false_alarm)
    # Weighing both classes alike keeps the sums well scaled and does not move the hull.
    moving = targets + nontargets > 0
    targets, nontargets = targets[moving], nontargets[moving]
    share = isotonic_regression(
        targets / (targets + nontargets), sample_weight=targets + nontargets, increasing=False
    )
    last = np.append(np.flatnonzero(np.diff(share)), len(share) - 1)
    return (
        np.concatenate([[0.0], np.cumsum(nontargets)[last]]),
        np.concatenate([[1.0], 1 - np.cumsum(targets)[last]]),
    )


def _crossing(false_alarm, miss):
    """Where the line through the points has equal error rates."""
    gap = miss - false_alarm
    after = int(np.argmax(gap <= 0))
    before = after - 1
    part = gap[before] / (gap[before] - gap[after])
    return float(false_alarm[before] + part * (false_alarm[after] - false_alarm[before]))


def _bootstrap(scores, labels, pairs, num_speakers, num_bootstrap, seed):
    first, second = pairs
    rng = np.random.default_rng(seed)
    rates = []
    for _ in range(num_bootstrap):
        times = rng.multinomial(num_speakers, np.full(num_speakers, 1 / num_speakers))
        # A target trial lies within one speaker, a non-target trial between two.
        weights = np.where(first == second, times[first], times[first] * times[second])
        drawn = weights > 0
        if len(np.unique(labels[drawn])) == 2:
            hull = convex_hull(scores[drawn], labels[drawn], weights[drawn].astype(float))
            rates.append(_crossing(*hull))
    if len(set(rates)) < 2:
        return (np.nan, np.nan)
    return tuple(float(bound) for bound in np.percentile(rates, [2.5, 97.5]))

"""Trials with labels, checked and sorted, and the values of all metrics on them."""

import numpy as np

from local.errors import RecipeError
from local.metrics.bootstrap import number_speakers, speaker_weights
from local.metrics.likelihood_ratios import act_dcf, cllr, log_likelihood_ratios, min_cllr
from local.metrics.rates import area_under_roc, crossing, min_dcf
from local.metrics.roc import SortedTrials, convex_hull

P_TARGETS = (0.01, 0.05)


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


class LabelledTrials:
    """The labelled ones of some trials, checked, sorted, ready for metrics under any weights.

    Arguments
    ---------
    scores : array_like
        Higher means same speaker, shape (trials,). Where all are within [0, 1] they are read as
        probabilities at even prior for the metrics of calibration.
    labels : array_like
        1 for target, 0 for non-target; trials with -1 are left out.
    llrs : array_like, optional
        Log-likelihood ratios for the metrics of calibration, where the scores are something else.
    where : str
        What messages name.

    Raises
    ------
    RecipeError
        A score that is not finite; no target or no non-target trial.
    """

    def __init__(self, scores, labels, llrs=None, where="trials"):
        scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels)
        finite = np.isfinite(scores) & (True if llrs is None else np.isfinite(llrs))
        if not finite.all():
            raise RecipeError(f"{where}: {(~finite).sum()} of {len(scores)} scores are not finite")
        check_both_kinds(labels, where)
        self.known = labels >= 0
        self.labels = labels[self.known]
        scores = scores[self.known]
        self.sorted = SortedTrials(scores, self.labels)
        probabilities = scores.min() >= 0 and scores.max() <= 1
        self.llrs = log_likelihood_ratios(scores) if probabilities else None
        if llrs is not None:
            self.llrs = np.asarray(llrs, dtype=np.float64)[self.known]

    def metrics(self, weights=None):
        """The values of all metrics.

        Arguments
        ---------
        weights : numpy.ndarray, optional
            Of the labelled trials.

        Returns
        -------
        dict of str to float
            See `evaluate`.
        """
        roc = self.sorted.roc(weights)
        hull = convex_hull(*roc)
        values = {"eer": crossing(*hull), "eer_interpolated": crossing(*roc)}
        values |= {f"min_dcf_{p_target}": min_dcf(*hull, p_target) for p_target in P_TARGETS}
        if self.llrs is not None:
            llrs, labels = self.llrs, self.labels
            for p_target in P_TARGETS:
                values[f"act_dcf_{p_target}"] = act_dcf(llrs, labels, p_target, weights=weights)
            values["cllr"] = cllr(llrs, labels, weights)
        return values | {"min_cllr": min_cllr(*hull), "auc": area_under_roc(*roc)}

    def eer(self, weights=None):
        """EER of the convex hull alone, under weights as for `metrics`."""
        return crossing(*convex_hull(*self.sorted.roc(weights)))

    def resampled(self, measure, speakers, num_bootstrap, seed):
        """Measure the trials in resamples of the speakers.

        Arguments
        ---------
        measure : callable
            `metrics` or `eer`.
        speakers : pair of sequences or None
            As for `number_speakers`, of all trials.
        num_bootstrap, seed : int
            As for `speaker_weights`.

        Returns
        -------
        (int, list)
            How many speakers there are, and what was measured in each resample that has trials of
            both kinds.
        """
        num_speakers, rows = number_speakers(speakers, self.known)
        weights = speaker_weights(rows, num_speakers, num_bootstrap, seed)
        return num_speakers, [measure(of_trials) for of_trials in self.usable(weights)]

    def usable(self, weights):
        """Those of some weights that leave trials of both kinds."""
        for of_trials in weights:
            if all(of_trials[self.labels == label].any() for label in (0, 1)):
                yield of_trials


def equal_error_rate(scores, labels, where="trials"):
    """EER of the convex hull of the ROC, in [0, 1]: the official metric.

    Arguments
    ---------
    scores, labels, where
        As for `LabelledTrials`, which tells the errors.

    Returns
    -------
    float

    Example
    -------
    >>> equal_error_rate([0.9, 0.4, 0.6, 0.1], [1, 1, 0, 0])
    0.25
    """
    return LabelledTrials(scores, labels, where=where).eer()

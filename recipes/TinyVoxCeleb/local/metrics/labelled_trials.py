"""Trials with labels, checked and sorted, and the values of all metrics on them."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

from local.errors import RecipeError
from local.metrics.bootstrap import number_speakers, speaker_weights
from local.metrics.measures import act_dcf, area_under_roc, crossing, min_cllr, min_dcf
from local.metrics.roc import SortedTrials, convex_hull
from local.scoring.likelihood_ratios import cllr, log_likelihood_ratios
from local.scoring.trials import check_both_kinds

P_TARGETS = (0.01, 0.05)


class LabelledTrials:
    """The labelled trials of a list: checked, sorted, ready for metrics under any weights.

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

    def __init__(
        self,
        scores: ArrayLike,
        labels: ArrayLike,
        llrs: ArrayLike | None = None,
        where: str = "trials",
    ):
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

    def metrics(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """The values of all metrics of `evaluate`, under weights of the labelled trials."""
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

    def eer(self, weights: np.ndarray | None = None) -> float:
        """EER of the convex hull alone, under weights as for `metrics`."""
        return crossing(*convex_hull(*self.sorted.roc(weights)))

    def resampled(
        self,
        measure: Callable,
        speakers: Sequence[ArrayLike] | None,
        num_bootstrap: int,
        seed: int,
    ) -> tuple[int, list]:
        """Measure the trials, by `metrics` or `eer`, in resamples of their speakers.

        Returns how many speakers there are, and what was measured in each resample that has trials
        of both kinds. See `number_speakers` and `speaker_weights`.
        """
        num_speakers, rows = number_speakers(speakers, self.known)
        resamples = speaker_weights(rows, num_speakers, num_bootstrap, seed)
        return num_speakers, [measure(weights) for weights in self.usable(resamples)]

    def usable(self, resamples: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Those weights of resamples that leave trials of both kinds."""
        for weights in resamples:
            if all(weights[self.labels == label].any() for label in (0, 1)):
                yield weights


def equal_error_rate(scores: ArrayLike, labels: ArrayLike) -> float:
    """EER of the convex hull of the ROC, in [0, 1]: the official metric; see `LabelledTrials`.

    Example
    -------
    >>> equal_error_rate([0.9, 0.4, 0.6, 0.1], [1, 1, 0, 0])
    0.25
    """
    return LabelledTrials(scores, labels).eer()

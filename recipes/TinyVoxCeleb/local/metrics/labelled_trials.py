"""Trials with labels, checked and sorted, and the values of all metrics on them."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

from local.errors import RecipeError
from local.metrics.bootstrap import number_speakers, speaker_weights
from local.metrics.measures import (
    area_under_roc,
    crossing,
    detection_cost,
    min_cllr,
    min_dcf,
    wrong_decisions,
)
from local.metrics.roc import SortedTrials, convex_hull
from local.scoring.likelihood_ratios import costs_in_bits, log_likelihood_ratios
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

    Attributes
    ----------
    known : numpy.ndarray
        The rows of the labelled trials, shape (known trials,): targets by falling score, then
        non-targets by falling score. Weights are in this order, so that those of each kind are
        summed up where they lie: for 580,000 trials, that is most of the time.
    labels : numpy.ndarray
        Theirs, 1 or 0.

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
        rows = np.flatnonzero(labels >= 0)
        self.sorted = SortedTrials(scores[rows], labels[rows])
        self._corners = self.sorted.corners()
        order, is_target = self.sorted.order, self.sorted.is_target
        self.known = rows[np.concatenate([order[is_target], order[~is_target]])]
        self.labels = labels[self.known]
        self._num_targets = int(is_target.sum())
        if llrs is not None:
            llrs = np.asarray(llrs, dtype=np.float64)[self.known]
        elif self.sorted.scores[-1] >= 0 and self.sorted.scores[0] <= 1:
            llrs = log_likelihood_ratios(scores[self.known])
        self._bits, self._wrong = None, {}
        if llrs is not None:
            self._bits = costs_in_bits(llrs, self.labels)
            wrong = {each: wrong_decisions(llrs, self.labels, each) for each in P_TARGETS}
            self._wrong = {each: mask.astype(np.float64) for each, mask in wrong.items()}

    def metrics(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """The values of all metrics of `evaluate`, under weights of the labelled trials."""
        roc = self._roc(weights)
        hull = convex_hull(*roc)
        values = {"eer": crossing(*hull), "eer_interpolated": crossing(*roc)}
        values |= {f"min_dcf_{p_target}": min_dcf(*hull, p_target) for p_target in P_TARGETS}
        for p_target, wrong in self._wrong.items():
            miss, false_alarm = self._averages(wrong, weights)
            values[f"act_dcf_{p_target}"] = float(detection_cost(false_alarm, miss, p_target))
        if self._bits is not None:
            values["cllr"] = float(sum(self._averages(self._bits, weights))) / 2
        return values | {"min_cllr": min_cllr(*hull), "auc": area_under_roc(*roc)}

    def eer(self, weights: np.ndarray | None = None) -> float:
        """EER of the convex hull alone, under weights as for `metrics`."""
        return crossing(*convex_hull(*self._roc(weights)))

    def _roc(self, weights):
        """False alarm and miss rates where the ROC turns."""
        false_alarms, hits = self._corners
        if weights is not None:
            targets, nontargets = self._by_kind(weights)
            false_alarms, hits = _sums(nontargets)[false_alarms], _sums(targets)[hits]
        return false_alarms / false_alarms[-1], 1 - hits / hits[-1]

    def _averages(self, values, weights):
        """Averages of values over the targets, and over the non-targets."""
        values = self._by_kind(values)
        if weights is None:
            return [each.mean() for each in values]
        sides = zip(values, self._by_kind(weights), strict=True)
        return [(each * own).sum() / own.sum() for each, own in sides]

    def _by_kind(self, values):
        return values[: self._num_targets], values[self._num_targets :]

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
            if all(own.any() for own in self._by_kind(weights)):
                yield weights


def _sums(weights):
    """What the first weights add up to: none of them, one, two and so on to all."""
    sums = np.zeros(len(weights) + 1)
    np.cumsum(weights, out=sums[1:])
    return sums


def equal_error_rate(scores: ArrayLike, labels: ArrayLike) -> float:
    """EER of the convex hull of the ROC, in [0, 1]: the official metric; see `LabelledTrials`.

    Example
    -------
    >>> equal_error_rate([0.9, 0.4, 0.6, 0.1], [1, 1, 0, 0])
    0.25
    """
    return LabelledTrials(scores, labels).eer()

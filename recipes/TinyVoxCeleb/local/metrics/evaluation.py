"""All metrics of a list of labelled trials, with intervals.

Authors
 * The TinyVoxCeleb authors 2026
"""

import numpy as np

from local.errors import RecipeError
from local.metrics.bootstrap import difference_interval, interval, speaker_weights
from local.metrics.likelihood_ratios import act_dcf, cllr, log_likelihood_ratios, min_cllr
from local.metrics.rates import area_under_roc, crossing, min_dcf
from local.metrics.roc import SortedTrials, convex_hull

P_TARGETS = (0.01, 0.05)
HIGHEST = {"eer": 0.5, "eer_interpolated": 1.0, "auc": 1.0, "min_cllr": 1.0} | {
    f"min_dcf_{p_target}": 1.0 for p_target in P_TARGETS
}


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
    where : str
        What messages name.

    Raises
    ------
    RecipeError
        A score that is not finite; no target or no non-target trial.
    """

    def __init__(self, scores, labels, where="trials"):
        scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels)
        finite = np.isfinite(scores)
        if not finite.all():
            raise RecipeError(f"{where}: {(~finite).sum()} of {len(scores)} scores are not finite")
        check_both_kinds(labels, where)
        self.known = labels >= 0
        self.labels = labels[self.known]
        scores = scores[self.known]
        self.sorted = SortedTrials(scores, self.labels)
        probabilities = scores.min() >= 0 and scores.max() <= 1
        self.llrs = log_likelihood_ratios(scores) if probabilities else None

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

    def resampled(self, weights):
        """The metrics under each of some weights that leave trials of both kinds."""
        for of_trials in weights:
            if all(of_trials[self.labels == label].any() for label in (0, 1)):
                yield self.metrics(of_trials)


def evaluate(scores, labels, speakers=None, *, num_bootstrap=200, seed=0, where="trials"):
    """Every metric of a list, with a 95 % interval where the speakers are known.

    Arguments
    ---------
    scores, labels : array_like
        As for `LabelledTrials`.
    speakers : pair of sequences of str, optional
        The speakers of the two sides of each trial, see `speaker_weights`.
    num_bootstrap : int
        Resamples of the speakers; 0 for no intervals.
    seed : int
        Equal seeds give equal intervals.
    where : str
        What messages name.

    Returns
    -------
    dict
        "trials": counts; "metrics": by name "value", "low" and "high" as fractions (None where
        there is no interval: fewer than 5 speakers, or no spread); "bootstrap": how. The metrics:
        eer (of the convex hull, the official one), eer_interpolated, min_dcf_P and act_dcf_P
        (normalised, target prior P, equal costs), cllr and min_cllr (bits), auc. act_dcf_P and
        cllr are missing where the scores are no probabilities.

    Raises
    ------
    RecipeError
        See `LabelledTrials`.

    Example
    -------
    >>> evaluate([0.9, 0.4, 0.6, 0.1], [1, 1, 0, 0])["metrics"]["eer"]
    {'value': 0.25, 'low': None, 'high': None}
    """
    trials = LabelledTrials(scores, labels, where)
    num_speakers, samples = 0, []
    if speakers is not None:
        speakers = [np.asarray(side)[trials.known] for side in speakers]
        num_speakers = len(np.unique(np.concatenate(speakers)))
        samples = list(trials.resampled(speaker_weights(speakers, num_bootstrap, seed)))
    metrics = {}
    for name, value in trials.metrics().items():
        if name == "auc":  # an interval of what is missing to 1, as of the other errors
            drawn = [1 - sample[name] for sample in samples]
            high, low = interval(1 - value, drawn, num_speakers)
            low, high = (None if bound is None else 1 - bound for bound in (low, high))
        else:
            low, high = interval(value, [sample[name] for sample in samples], num_speakers)
        if low is not None:
            low, high = max(low, 0.0), min(high, HIGHEST.get(name, np.inf))
        metrics[name] = {"value": value, "low": low, "high": high}
    counts = {
        "target": int((trials.labels == 1).sum()),
        "nontarget": int((trials.labels == 0).sum()),
    }
    counts |= {"unlabelled": int((~trials.known).sum()), "speakers": num_speakers}
    how = {"resamples": len(samples), "seed": seed, "over": "speakers"}
    return {"trials": counts, "metrics": metrics, "bootstrap": how}


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
    return crossing(*convex_hull(*LabelledTrials(scores, labels, where).sorted.roc()))


def summary(evaluation):
    """The EER of an evaluation and what it rests on, in one line.

    Arguments
    ---------
    evaluation : dict
        From `evaluate`.

    Returns
    -------
    str

    Example
    -------
    >>> print(summary(evaluate([0.9, 0.4, 0.6, 0.1], [1, 1, 0, 0])))
    EER 25.00% (convex hull), 50.00% (interpolated); 2 target and 2 non-target trials
    """
    metrics, trials = evaluation["metrics"], evaluation["trials"]
    eer, interval = metrics["eer"], ""
    if trials["speakers"]:
        interval = ", too little for an interval"
        if eer["low"] is not None:
            interval = f", 95 % interval {eer['low']:.2%} to {eer['high']:.2%}"
    return (
        f"EER {eer['value']:.2%} (convex hull{interval}), "
        f"{metrics['eer_interpolated']['value']:.2%} (interpolated); "
        f"{trials['target']} target and {trials['nontarget']} non-target trials"
        + (f" of {trials['speakers']} speakers" if trials["speakers"] else "")
    )


def compare(systems, labels, speakers=None, *, num_bootstrap=200, seed=0):
    """Differences of systems to the first one on the same trials, by a paired bootstrap.

    Arguments
    ---------
    systems : list of array_like
        The scores of each, shape (trials,).
    labels, speakers, num_bootstrap, seed
        As for `evaluate`. All systems see the same resamples of the speakers.

    Returns
    -------
    list of dict
        For each system but the first, by metric: "value" (its own minus the first's), "low" and
        "high". An interval that does not hold 0 is a difference beyond the choice of speakers.

    Raises
    ------
    RecipeError
        See `LabelledTrials`.
    """
    trials = [LabelledTrials(scores, labels) for scores in systems]
    values = [of_system.metrics() for of_system in trials]
    num_speakers, samples = 0, [[] for _ in trials]
    if speakers is not None:
        speakers = [np.asarray(side)[trials[0].known] for side in speakers]
        num_speakers = len(np.unique(np.concatenate(speakers)))
        samples = [
            list(of_system.resampled(speaker_weights(speakers, num_bootstrap, seed)))
            for of_system in trials
        ]
    differences = []
    for own, drawn in zip(values[1:], samples[1:], strict=True):
        of_system = {}
        for name in own.keys() & values[0].keys():
            value = own[name] - values[0][name]
            pairs = zip(drawn, samples[0], strict=True)
            resampled = [mine[name] - first[name] for mine, first in pairs]
            low, high = difference_interval(value, resampled, num_speakers)
            of_system[name] = {"value": value, "low": low, "high": high}
        differences.append({name: of_system[name] for name in own if name in of_system})
    return differences

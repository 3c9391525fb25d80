"""All metrics of a list of labelled trials, with intervals."""

import numpy as np

from local.metrics.bootstrap import interval
from local.metrics.labelled_trials import P_TARGETS, LabelledTrials

HIGHEST = {"eer": 0.5, "eer_interpolated": 1.0, "auc": 1.0, "min_cllr": 1.0} | {
    f"min_dcf_{p_target}": 1.0 for p_target in P_TARGETS
}


def evaluate(
    scores, labels, speakers=None, *, llrs=None, num_bootstrap=200, seed=0, where="trials"
):
    """Every metric of a list, with a 95 % interval where the speakers are known.

    Arguments
    ---------
    scores, labels : array_like
        As for `LabelledTrials`.
    speakers : pair of sequences of str, optional
        The speakers of the two sides of each trial, see `speaker_weights`.
    llrs : array_like, optional
        As for `LabelledTrials`.
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
    trials = LabelledTrials(scores, labels, llrs, where)
    num_speakers, samples = trials.resampled(trials.metrics, speakers, num_bootstrap, seed)
    metrics = {
        name: _entry(name, value, [sample[name] for sample in samples], num_speakers)
        for name, value in trials.metrics().items()
    }
    counts = {
        "target": int((trials.labels == 1).sum()),
        "nontarget": int((trials.labels == 0).sum()),
    }
    counts |= {"unlabelled": int((~trials.known).sum()), "speakers": num_speakers}
    how = {"resamples": num_bootstrap, "seed": seed, "over": "speakers"}
    return {"trials": counts, "metrics": metrics, "bootstrap": how}


def eer_with_interval(scores, labels, speakers, *, num_bootstrap=200, seed=0):
    """The EER of `evaluate` alone, for many small groups of trials.

    Arguments
    ---------
    scores, labels, speakers, num_bootstrap, seed
        As for `evaluate`.

    Returns
    -------
    dict
        "value", "low" and "high".
    """
    trials = LabelledTrials(scores, labels)
    num_speakers, samples = trials.resampled(trials.eer, speakers, num_bootstrap, seed)
    return _entry("eer", trials.eer(), samples, num_speakers)


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
        if evaluation["bootstrap"]["resamples"]:
            interval = ", too little for an interval"
        if eer["low"] is not None:
            interval = f", 95 % interval {eer['low']:.2%} to {eer['high']:.2%}"
    return (
        f"EER {eer['value']:.2%} (convex hull{interval}), "
        f"{metrics['eer_interpolated']['value']:.2%} (interpolated); "
        f"{trials['target']} target and {trials['nontarget']} non-target trials"
        + (f" of {trials['speakers']} speakers" if trials["speakers"] else "")
    )


def _entry(name, value, samples, num_speakers):
    """A metric with its interval."""
    if name == "auc":  # an interval of what is missing to 1, as of the other errors
        high, low = interval(1 - value, [1 - sample for sample in samples], num_speakers)
        low, high = (None if bound is None else 1 - bound for bound in (low, high))
    else:
        low, high = interval(value, samples, num_speakers)
    if low is not None:
        low, high = max(low, 0.0), min(high, HIGHEST.get(name, np.inf))
    return {"value": value, "low": low, "high": high}

"""All metrics of a list of labelled trials, with intervals, of one system or of several."""

from collections.abc import Sequence
from typing import NotRequired, TypedDict

import numpy as np
from numpy.typing import ArrayLike

from local.metrics.bootstrap import difference_interval, interval_of
from local.metrics.labelled_trials import P_TARGETS, LabelledTrials
from local.scoring.trials import count_kinds

HIGHEST = {"eer": 0.5, "eer_interpolated": 1.0, "auc": 1.0, "min_cllr": 1.0} | {
    f"min_dcf_{p_target}": 1.0 for p_target in P_TARGETS
}

TURNED_ROUND = (
    "targets score lower than non-targets: are the scores distances, or the labels turned round?"
)


class Value(TypedDict):
    """A metric, as a fraction, and its interval where it has one."""

    value: float
    low: float | None
    high: float | None


class Counts(TypedDict):
    """How many there are in a trial list."""

    target: int
    nontarget: int
    unlabelled: int
    speakers: int


class Bootstrap(TypedDict):
    """How intervals came about."""

    resamples: int
    seed: int
    over: str


class Evaluation(TypedDict):
    """What `evaluate` returns, and what was said of the trials."""

    trials: Counts
    metrics: dict[str, Value]
    bootstrap: Bootstrap
    self_trials: NotRequired[bool]
    remarks: NotRequired[str]


def evaluate(
    scores: ArrayLike,
    labels: ArrayLike,
    speakers: Sequence[ArrayLike] | None = None,
    *,
    llrs: ArrayLike | None = None,
    num_bootstrap: int = 200,
    seed: int = 0,
    where: str = "trials",
) -> Evaluation:
    """Every metric of a list, with a 95 % interval where the speakers are known.

    Scores, labels and `llrs` are as for `LabelledTrials`; `speakers` are those of the two sides of
    each trial. Intervals rest on `num_bootstrap` resamples of the speakers, 0 for no intervals, and
    are the same for equal seeds. Messages begin with `where`.

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
    counts = count_kinds(trials.labels)
    counts |= {"unlabelled": np.size(labels) - len(trials.known), "speakers": num_speakers}
    how = {"resamples": num_bootstrap, "seed": seed, "over": "speakers"}
    return {"trials": counts, "metrics": metrics, "bootstrap": how}


def eer_with_interval(
    scores: ArrayLike,
    labels: ArrayLike,
    speakers: Sequence[ArrayLike] | None,
    *,
    num_bootstrap: int,
    seed: int,
) -> dict:
    """The EER of `evaluate` alone, for many small groups of trials: "value", "low" and "high"."""
    trials = LabelledTrials(scores, labels)
    num_speakers, samples = trials.resampled(trials.eer, speakers, num_bootstrap, seed)
    return _entry("eer", trials.eer(), samples, num_speakers)


def compare(
    systems: Sequence[ArrayLike],
    labels: ArrayLike,
    speakers: Sequence[ArrayLike] | None = None,
    *,
    num_bootstrap: int = 200,
    seed: int = 0,
) -> list[dict]:
    """Differences of systems, each given by its scores, to the first one, by a paired bootstrap.

    Arguments are as for `evaluate`. All systems see the same resamples of the speakers.

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
    values, samples = [], []
    for scores in systems:
        trials = LabelledTrials(scores, labels)
        values.append(trials.metrics())
        num_speakers, drawn = trials.resampled(trials.metrics, speakers, num_bootstrap, seed)
        samples.append(drawn)
    differences = []
    for own, drawn in zip(values[1:], samples[1:], strict=True):
        entries = {}
        for name in [name for name in own if name in values[0]]:
            value = own[name] - values[0][name]
            pairs = zip(drawn, samples[0], strict=True)
            resampled = [mine[name] - first[name] for mine, first in pairs]
            low, high = difference_interval(value, resampled, num_speakers)
            entries[name] = {"value": value, "low": low, "high": high}
        differences.append(entries)
    return differences


def summary(evaluation: dict) -> str:
    """The EER of `evaluate` and what it rests on, in one line.

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
        + (f"; {TURNED_ROUND}" if turned_round(evaluation) else "")
    )


def turned_round(evaluation: dict) -> bool:
    """Whether an EER is so far above 50 % that the scores must mean the opposite.

    That is of the interpolated one, as the convex hull ends at 50 %: above it with the whole
    interval or, without interval, by more than so few trials may be by chance.
    """
    eer, trials = evaluation["metrics"]["eer_interpolated"], evaluation["trials"]
    if eer["low"] is not None:
        return eer["low"] > 0.5
    fewest = min(trials["target"], trials["nontarget"])
    return eer["value"] >= 0.5 + max(0.1, fewest**-0.5)


def _entry(name, value, samples, num_speakers):
    """A metric with its interval."""
    highest = HIGHEST.get(name, np.inf)
    return interval_of(value, samples, num_speakers, highest=highest, success=name == "auc")

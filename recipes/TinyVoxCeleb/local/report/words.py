"""What the report says in words and tables."""

from local.metrics import compare

METRICS = {
    "eer": ("EER", "where misses are as frequent as false alarms, on the ROC convex hull"),
    "eer_interpolated": ("EER, interpolated", "the same on the straight lines of the ROC"),
    "min_dcf_0.01": (
        "minDCF, prior 0.01",
        "cost at the best threshold; 1 is that of always saying no",
    ),
    "min_dcf_0.05": ("minDCF, prior 0.05", "the same where 1 trial in 20 is a target"),
    "act_dcf_0.01": ("actDCF, prior 0.01", "cost at the threshold that calibrated scores call for"),
    "act_dcf_0.05": ("actDCF, prior 0.05", "the same where 1 trial in 20 is a target"),
    "cllr": (
        "Cllr",
        "cost of the scores as log-likelihood ratios; 1 tells nothing",
    ),
    "min_cllr": ("minimum Cllr", "what is left of it after the best calibration"),
    "auc": ("AUC", "how often a target scores above a non-target"),
}
RATES = ("eer", "eer_interpolated", "auc")  # shown in per cent


def percent(value, digits=2):
    """A fraction in per cent.

    Example
    -------
    >>> percent(0.08304)
    '8.30%'
    """
    return f"{100 * value:.{digits}f}%"


def count(number):
    """A whole number with its thousands apart.

    Example
    -------
    >>> count(10000)
    '10,000'
    """
    return f"{number:,}"


def metrics_table(systems):
    """The metrics of one trial list.

    Arguments
    ---------
    systems : dict of str to ScoredList

    Returns
    -------
    list of dict
        A row a metric: its key, name and explanation, and a cell a system with the number, how it
        is written, and its interval ("" where there is none).
    """
    measured = [of.evaluation["metrics"] for of in systems.values()]
    rows = []
    for key in dict.fromkeys(key for metrics in measured for key in metrics):
        show = percent if key in RATES else "{:.3f}".format
        name, explanation = METRICS.get(key, (key, ""))
        cells = []
        for metrics in measured:
            metric = metrics.get(key)
            if metric is None:
                cells.append(None)
                continue
            ends = metric["low"], metric["high"]
            interval = "" if None in ends else " to ".join(map(show, ends))
            cells.append(
                {"value": metric["value"], "text": show(metric["value"]), "interval": interval}
            )
        rows.append({"key": key, "name": name, "explanation": explanation, "cells": cells})
    return rows


def headline(title, systems, num_results):
    """What a reader must take away of one list.

    Arguments
    ---------
    title : str
        Of the trial list.
    systems : dict of str to (Result, ScoredList)
    num_results : int
        Systems on the page.

    Returns
    -------
    str
    """
    lists = {label: of for label, (_, of) in systems.items()}
    eers = {label: of.evaluation["metrics"]["eer"] for label, of in lists.items()}
    best = min(eers, key=lambda label: eers[label]["value"])
    trials = next(iter(lists.values())).evaluation["trials"]
    number = count(trials["target"] + trials["nontarget"])
    size = f"{number} trials of {count(trials['speakers'])} speakers"
    if not trials["speakers"]:
        size = f"{number} trials of unknown speakers"
    if len(lists) == 1:
        of = f" of {best}" if num_results > 1 else ""
        return f"The EER{of} on {title} is {_with_interval(eers[best])}: {size}."
    if len(lists) == 2:
        other = next(label for label in eers if label != best)
        rest = f"against {_with_interval(eers[other])} of {other}"
    else:
        rest = f"the lowest of {len(lists)} systems"
    near = _not_told_apart(lists, best)
    if near:
        rest += f"; that it is better than {' and '.join(near)} may be chance"
    return f"On {title} the EER of {best} is {_with_interval(eers[best])}, {rest}: {size}."


def _not_told_apart(lists, best):
    """The systems from which the best one differs by no more than the choice of speakers."""
    others = [label for label in lists if label != best]
    trials, how = lists[best].trials, lists[best].evaluation["bootstrap"]
    differences = compare(
        [lists[label].scores for label in (best, *others)],
        trials.labels,
        trials.speakers(),
        num_bootstrap=how["resamples"],
        seed=how["seed"],
    )
    eers = {label: found["eer"] for label, found in zip(others, differences, strict=True)}
    return [label for label, eer in eers.items() if eer["low"] is not None and eer["low"] <= 0]


def _with_interval(metric):
    if None in (metric["low"], metric["high"]):
        return f"{percent(metric['value'])} (no interval: too few speakers)"
    low, high = percent(metric["low"]), percent(metric["high"])
    return f"{percent(metric['value'])} (95% interval {low} to {high})"


def unlabelled(results):
    """A sentence on each list without error rates.

    Arguments
    ---------
    results : list of Result

    Returns
    -------
    list of str
    """
    sentences = [
        f"{of.name}: {count(len(of.trials))} trials scored; without labels of both kinds there are "
        "no error rates."
        for result in results
        for of in result.lists
        if of.evaluation is None
    ]
    return list(dict.fromkeys(sentences))

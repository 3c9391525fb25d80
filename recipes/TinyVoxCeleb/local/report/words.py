"""What the report says in words and tables."""

import re
from pathlib import Path

from local.metrics import compare
from local.metrics.tables import no_interval
from local.report.runs import ScoredList, ScoredRun

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


def percent(value: float) -> str:
    """A fraction in per cent, such as 8.30%."""
    return f"{100 * value:.2f}%"


def count(number: int) -> str:
    """A whole number with its thousands apart, such as 10,000."""
    return f"{number:,}"


def metrics_table(systems: dict[str, ScoredList]) -> list[dict]:
    """The metrics of the systems on one trial list, a row a metric.

    A row has the "key", "name" and "explanation" of the metric, and a cell a system with the
    number, how it is written, and its interval ("" where there is none); None without the metric.
    """
    measured = [scored.result.evaluation["metrics"] for scored in systems.values()]
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


def headline(title: str, systems: dict[str, ScoredList], num_runs: int) -> str:
    """What a reader must take away of one trial list; the page may have more runs than systems."""
    evaluations = {label: scored.result.evaluation for label, scored in systems.items()}
    eers = {label: evaluation["metrics"]["eer"] for label, evaluation in evaluations.items()}
    best = min(eers, key=lambda label: eers[label]["value"])
    trials = evaluations[best]["trials"]
    speakers = count(trials["speakers"]) if trials["speakers"] else "unknown"
    size = f"{count(trials['target'] + trials['nontarget'])} trials of {speakers} speakers"
    if len(systems) == 1:
        system = f" of {best}" if num_runs > 1 else ""
        return f"The EER{system} on {title} is {_with_interval(evaluations[best])}: {size}."
    if len(systems) == 2:
        other = next(label for label in eers if label != best)
        rest = f"against {_with_interval(evaluations[other])} of {other}"
    else:
        rest = f"the lowest of {len(systems)} systems"
    near = _not_told_apart(systems, best)
    if near:
        rest += f"; that it is better than {' and '.join(near)} may be chance"
    return f"On {title} the EER of {best} is {_with_interval(evaluations[best])}, {rest}: {size}."


def _not_told_apart(systems, best):
    """The systems from which the best one differs by no more than the choice of speakers."""
    others = [label for label in systems if label != best]
    trials, how = systems[best].trials, systems[best].result.evaluation["bootstrap"]
    differences = compare(
        [systems[label].scores for label in (best, *others)],
        trials.labels,
        trials.speakers(),
        num_bootstrap=how["resamples"],
        seed=how["seed"],
    )
    eers = {label: found["eer"] for label, found in zip(others, differences, strict=True)}
    return [label for label, eer in eers.items() if eer["low"] is not None and eer["low"] <= 0]


def _with_interval(evaluation):
    metric = evaluation["metrics"]["eer"]
    if None in (metric["low"], metric["high"]):
        return f"{percent(metric['value'])} (no interval: {no_interval(evaluation)})"
    low, high = percent(metric["low"]), percent(metric["high"])
    return f"{percent(metric['value'])} (95% interval {low} to {high})"


def unlabelled(runs: list[ScoredRun]) -> list[str]:
    """A sentence on each list without error rates."""
    sentences = [
        f"{scored.result.name}: {count(len(scored.trials))} trials scored; without labels of both "
        "kinds there are no error rates."
        for run in runs
        for scored in run.lists
        if scored.result.evaluation is None
    ]
    return list(dict.fromkeys(sentences))


def provenance(run: ScoredRun) -> dict:
    """How a result was made: commands, data, seeds, versions, hyperparameters."""
    results = run.results
    experiment = run.text("experiment.yaml")
    facts = {
        "Run": str(run.folder),
        "Scores": f"{results.scoring}, {_calibration(results)}",
        "Score list": results.score_file,
    }
    if results.threshold is not None:
        facts["Threshold"] = f"{results.threshold:.6g}"
    if results.decision:
        costs = ", ".join(f"{key} {value:g}" for key, value in results.decision.items())
        facts["Threshold set for"] = costs
    facts["Seed of the evaluation"] = str(results.seed)
    seed = re.search(r"^random_seed: *(\S+)", experiment or "", re.MULTILINE)
    facts["Seed of the training"] = seed[1] if seed else "not recorded"
    versions = results.versions.items()
    facts["Versions"] = ", ".join(f"{package} {version}" for package, version in versions)
    embedded = "not there any more"
    if run.embeddings is not None:
        embedded = f"{count(len(run.embeddings.ids))} utterances"
    lists = [(scored.result.name, scored.trials) for scored in run.lists]
    return {
        "label": run.label,
        "facts": facts,
        "verification": results.command,
        "training": training_command(experiment or ""),
        "data": [
            *((name, f"{count(len(trials))} trials", trials.path) for name, trials in lists),
            *(("shards", _num_shards(path), path) for path in results.shards),
            *(("audio", "a folder", path) for path in [results.audio_folder] if path),
            ("embeddings", embedded, ", ".join(results.embeddings)),
        ],
        "experiment": experiment,
        "environment": run.text("env.log"),
    }


def training_command(experiment: str) -> str:
    r"""The command in the first lines of a run's YAML record, after "# > "; "" without them.

    Example
    -------
    >>> training_command("# > python train.py a.yaml \\\n# >     --epochs 3\n\nepochs: 3\n")
    'python train.py a.yaml \\\n    --epochs 3'
    >>> training_command("epochs: 3\n# > python train.py\n")
    ''
    """
    lines = re.match(r"(?:# > ?.*(?:\n|$))*", experiment)[0].splitlines()
    return "\n".join(line.removeprefix("# > ").removeprefix("# >") for line in lines)


def _num_shards(folder):
    number = len(list(Path(folder).glob("shard-*.tar")))
    return f"{number} archive{'s' if number > 1 else ''}" if number else "not there any more"


def _calibration(results):
    if not results.calibrated:
        return "not calibrated"
    fitted = f" on {results.calibration_trials}" if results.calibration_trials else ""
    return (
        f"calibrated{fitted}; Cllr, actual costs and the errors of groups are measured without a "
        "trial's own speakers in the calibration"
    )

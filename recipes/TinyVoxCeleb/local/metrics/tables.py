"""Metrics as lines of text."""

from collections.abc import Iterable, Iterator, Sequence

from local.metrics.bootstrap import MIN_SPEAKERS
from local.metrics.evaluation import TURNED_ROUND, turned_round
from local.metrics.identification import FALSE_ALARMS
from local.metrics.labelled_trials import P_TARGETS

NAMES = {
    "eer": "EER (convex hull)",
    "eer_interpolated": "EER (interpolated)",
    **{f"min_dcf_{p_target}": f"minDCF (p_target {p_target})" for p_target in P_TARGETS},
    **{f"act_dcf_{p_target}": f"actual DCF (p_target {p_target})" for p_target in P_TARGETS},
    "cllr": "Cllr (bits)",
    "min_cllr": "minimum Cllr (bits)",
    "auc": "AUC",
    "rank_1": "rank 1, closed set",
    **{f"dir_{most}": f"DIR at false alarm rate {most}" for most in FALSE_ALARMS},
    **{f"fnir_{most}": f"FNIR at FPIR {most}" for most in FALSE_ALARMS},
}
PERCENT = ("eer", "rank", "dir", "fnir")  # what the metrics begin with that are read in percent


def number(metric: str, value: float | None) -> str:
    """A value as people read it: EER and rates of identification in percent.

    Example
    -------
    >>> number("eer", 0.0832), number("min_cllr", 0.2)
    ('8.32 %', '0.200')
    """
    if value is None:
        return "-"
    return f"{value:.2%}".replace("%", " %") if metric.startswith(PERCENT) else f"{value:.3f}"


def span(metric: str, entry: dict | None) -> str:
    """The interval of a metric, "" where it has none."""
    if entry is None or entry["low"] is None:
        return ""
    return f"{number(metric, entry['low'])} to {number(metric, entry['high'])}"


def evaluation_table(evaluation: dict) -> Iterator[str]:
    """All metrics of `evaluate` with their intervals."""
    trials, how = evaluation["trials"], evaluation["bootstrap"]
    counts = f"{trials['target']} target and {trials['nontarget']} non-target trials"
    yield f"{counts} of {trials['speakers']} speakers" if trials["speakers"] else counts
    rows, title = _rows(evaluation["metrics"], how["resamples"])
    if not any(row[2] for row in rows):
        title = f"no interval: {no_interval(evaluation)}" if how["resamples"] else ""
    yield from columns([("", "", title), *rows])
    if "cllr" not in evaluation["metrics"]:
        yield "no Cllr and actual DCF: scores outside [0, 1] are no probabilities"
    if turned_round(evaluation):
        yield TURNED_ROUND


def identification_table(identification: dict | None) -> Iterator[str]:
    """The rates of `identify`, and of how many searches; no line where there are none."""
    if identification is None:
        return
    counts = identification["searches"]
    yield (
        f"Identification: {counts['mated']} probes of speakers among {counts['models']} models, "
        f"{counts['nonmated']} of others"
        + f", {counts['left_out']} left out"
        * bool(counts["left_out"])
    )
    rows, title = _rows(identification["metrics"], identification["bootstrap"]["resamples"])
    yield from columns([("", "", title if any(row[2] for row in rows) else ""), *rows])
    if len(rows) <= 1:
        yield "no rates of an open set: these take probes of enrolled speakers and of others"


def _rows(metrics, resamples):
    """Metrics as rows with their intervals, and the title of these."""
    rows = [
        (NAMES[name], number(name, entry["value"]), span(name, entry))
        for name, entry in metrics.items()
    ]
    return rows, f"95 % interval, {resamples} resamples of the speakers"


def no_interval(evaluation: dict) -> str:
    """Why no metric of `evaluate` has an interval."""
    if (speakers := evaluation["trials"]["speakers"]) < MIN_SPEAKERS:
        return "too few speakers" if speakers else "the speakers are not known"
    if evaluation["bootstrap"]["resamples"] < 2:
        return "it takes more resamples of the speakers (num_bootstrap)"
    return "the resamples of the speakers do not differ"


def breakdown_table(entries: Iterable[dict]) -> Iterator[str]:
    """The groups of `breakdown`; no line where there is none."""
    rows = [
        ("by", "group", "target", "non-target", "speakers", "EER", "95 %", "miss", "false alarm")
    ]
    for entry in entries:
        eer = entry["eer"]
        row = [entry["by"], entry["group"]]
        row += [str(entry[kind]) for kind in ("target", "nontarget", "speakers")]
        row += [number("eer", eer and eer["value"]), span("eer", eer)]
        rows.append((*row, *(number("eer", entry[kind]) for kind in ("miss", "false_alarm"))))
    if len(rows) > 1:
        yield from columns(rows)


def comparison_table(
    names: Sequence[str], evaluations: Sequence[dict], differences: Sequence[dict]
) -> Iterator[str]:
    """The metrics of several named systems side by side, from `evaluate` and `compare`."""
    rows = [("", *names)]
    for metric, label in NAMES.items():
        found = [evaluation["metrics"].get(metric) for evaluation in evaluations]
        if any(found):
            rows.append((label, *(number(metric, entry and entry["value"]) for entry in found)))
            rows.append(("  95 %", *(span(metric, entry) for entry in found)))
            cells = [_difference(metric, system.get(metric)) for system in differences]
            rows.append((f"  less {names[0]}", "", *cells))
    yield from columns(rows)
    for name, evaluation in zip(names, evaluations, strict=True):
        if turned_round(evaluation):
            yield f"{name}: {TURNED_ROUND}"


def _difference(metric, entry):
    if entry is None:
        return ""
    sign = "+" if entry["value"] > 0 else ""
    beyond = entry["low"] is not None and not entry["low"] <= 0 <= entry["high"]
    interval = span(metric, entry)
    return f"{sign}{number(metric, entry['value'])}" + (
        f" ({interval}){' *' if beyond else ''}" if interval else ""
    )


def columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Align the cells of rows of text.

    Example
    -------
    >>> list(columns([("a", "bbb"), ("cc", "")]))
    ['a   bbb', 'cc']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()

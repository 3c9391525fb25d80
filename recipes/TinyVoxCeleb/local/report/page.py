"""The report as one HTML page: what is on it, and in which order."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from tqdm import tqdm

from local.files import atomic_file, check_not_read, check_writable
from local.metrics.tables import no_interval
from local.report import breakdowns, scores, words
from local.report.identification import identification_section
from local.report.projection import map_section
from local.report.runs import ScoredList, ScoredRun, read_runs
from local.report.sound import TRIALS, Sounds, gather_sounds
from local.report.training import training_pictures
from local.training.loggers import read_train_log

NUM_WORST = 10


def make_report(
    paths: Iterable[str | Path], out: str | Path | None = None, *, audio: bool = True
) -> tuple[Path, list[ScoredRun]]:
    """Write the report of one scored run, or of several side by side.

    Arguments
    ---------
    paths : iterable of str or Path
        See `read_runs`.
    out : str or Path, optional
        The HTML file; by default report.html beside the results of the first run.
    audio : bool
        Whether it plays utterances.

    Returns
    -------
    (Path, list of ScoredRun)
        The HTML file, and what was read for it.

    Raises
    ------
    RecipeError
        See `read_runs`; `out` cannot be written, or would replace what is read.
    """
    runs = read_runs(paths)
    out = Path(out) if out else runs[0].path.with_name("report.html")
    check_writable(out)
    lists = [scored.trials.path for run in runs for scored in run.lists]
    files = [path for run in runs for path in (run.path, run.results.score_file)]
    lists += [model for run in runs for one in run.lists if (model := one.result.enrolment)]
    check_not_read([out], [*files, *lists])
    content = describe(runs, audio)
    # Ids and paths come from other people's files: the template escapes all that is not a picture.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": words.percent, "count": words.count}
    html = environment.get_template("page.html").render(content)
    with atomic_file(out) as fout:
        # File names may hold bytes that are no text.
        fout.write(html.encode("utf-8", "replace").decode("utf-8"))
    return out, runs


def describe(runs: list[ScoredRun], audio: bool) -> dict:
    """All that the template of the page is filled with; with sound where that is asked for."""
    groups = comparable_lists(runs)
    drawings = [partial(map_section, f"map{number}", run) for number, run in enumerate(runs)]
    drawings += [partial(list_section, f"list{i}", *group) for i, group in enumerate(groups)]
    with tqdm(drawings, desc="drawing", unit="part", leave=False, dynamic_ncols=True) as bar:
        sections = [draw() for draw in bar]
    trained = {run.folder: run for run in runs}.values()  # one of them may be scored twice
    logs = {run.label: read_train_log(run.folder) for run in trained}
    maps, sections = sections[: len(runs)], sections[len(runs) :]
    return {
        "title": " vs ".join(run.label for run in runs),
        "headlines": [words.headline(name, systems, len(runs)) for name, systems in groups],
        "unlabelled": words.unlabelled(runs),
        "sections": sections,
        "maps": maps,
        **_sound(runs, sections, maps, audio),
        "training": training_pictures("training", logs),
        "no_log": [label for label, log in logs.items() if not log],
        "several": len(runs) > 1,
        "made": [words.provenance(run) for run in runs],
    }


def _sound(runs, sections, maps, audio):
    """What can be heard of the worst trials and the points of the maps, and under which numbers."""
    points = {map_["label"]: map_["points"] for map_ in maps}
    trials = {}
    for spread in (spread for section in sections for spread in section["spreads"]):
        rows = (row for rows in spread["worst"].values() for row in rows)
        names = [name for _, *pair in rows for name in pair]
        trials.setdefault(spread["label"], []).extend(names)
    sounds = gather_sounds(runs, trials, points) if audio else Sounds.left_out(runs)
    found = {
        map_["id"]: [(name, sounds.number(map_["label"], name)) for name in map_["points"]]
        for map_ in maps
        if map_["svg"]
    }
    return {"sounds": sounds, "points": found, "heard": sounds.seconds.get(TRIALS)}


def comparable_lists(runs: list[ScoredRun]) -> list[tuple[str, dict[str, ScoredList]]]:
    """Put together the lists with error rates that have the same trials.

    Returns the name of each such list, and its scores by the label of the run.
    """
    groups = {}
    for run in runs:
        for scored in run.lists:
            if scored.result.evaluation is not None:
                _, systems = groups.setdefault(scored.digest, (scored.result.name, {}))
                systems[run.label] = scored
    return list(groups.values())


def list_section(name: str, title: str, systems: dict[str, ScoredList]) -> dict:
    """What the page shows of one trial list; the names of its pictures begin with that given."""
    first = next(iter(systems.values())).result
    kinds = dict.fromkeys(
        entry["by"] for scored in systems.values() for entry in scored.result.breakdown
    )
    groups = {label: scored.result.breakdown for label, scored in systems.items()}
    return {
        "id": name,
        "title": title,
        "trials": first.evaluation["trials"],
        "bootstrap": first.evaluation["bootstrap"],
        "no_interval": no_interval(first.evaluation),
        "remarks": dict.fromkeys(
            filter(None, (each.result.evaluation.get("remarks") for each in systems.values()))
        ),
        "labels": list(systems),
        "metrics": words.metrics_table(systems),
        "det": scores.det(f"{name}-det", systems),
        "spreads": [
            {
                "label": label,
                "calibrated": scored.calibrated,
                "threshold": scored.threshold,
                "histogram": scores.histogram(f"{name}-histogram{number}", scored),
                "calibration": scores.calibration(f"{name}-calibration{number}", scored),
                "worst": worst_trials(scored),
            }
            for number, (label, scored) in enumerate(systems.items())
        ],
        "breakdowns": [
            {
                "by": by,
                "svg": breakdowns.breakdown(f"{name}-by{number}", by, groups),
                "rows": [
                    (label, entry, breakdowns.rate(entry))
                    for label, entries in groups.items()
                    for entry in entries
                    if entry["by"] == by
                ],
            }
            for number, by in enumerate(kinds)
        ],
        "most_groups": breakdowns.MOST_GROUPS,
        "identification": identification_section(f"{name}-identification", systems),
    }


def worst_trials(
    scored: ScoredList, number: int = NUM_WORST
) -> dict[str, list[tuple[float, str, str]]]:
    """The trials that are farthest on the wrong side, that many of each kind.

    Returns score and ids of the "non-target" trials that score highest, and of the "target" trials
    that score lowest.
    """
    trials = scored.trials
    worst = {}
    for kind, label, sign in (("non-target", 0, -1), ("target", 1, 1)):
        rows = np.flatnonzero(trials.labels == label)
        rows = rows[np.argsort(sign * scored.scores[rows], kind="stable")[:number]]
        worst[kind] = [
            (float(scored.scores[row]), trials.enrol[row], trials.test[row]) for row in rows
        ]
    return worst

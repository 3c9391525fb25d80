"""The report as one HTML page: what is on it, and in which order.

Authors
 * The TinyVoxCeleb authors 2026
"""

from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from tqdm import tqdm

from local.atomic import atomic_file, check_writable
from local.corpora.layout import utterance_key
from local.report import breakdowns, projection, scores, words
from local.report.reading import read_results
from local.report.training import training

NUM_WORST = 10


def make_report(paths, out=None):
    """Write the report of one run, or of several side by side.

    Arguments
    ---------
    paths : list of str or Path
        See `read_results`.
    out : str or Path, optional
        The HTML file; by default report.html beside the first of `paths`.

    Returns
    -------
    (Path, list of Result)
        The file, and what was read for it.

    Raises
    ------
    RecipeError
        See `read_results`; `out` cannot be written.
    """
    results = read_results(paths)
    out = Path(out) if out else results[0].path.with_name("report.html")
    check_writable(out)
    content = describe(results)
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
    return out, results


def describe(results):
    """All that the page shows.

    Arguments
    ---------
    results : list of Result

    Returns
    -------
    dict
        What the template is filled with.
    """
    grouped = group_lists(results)
    steps = [("map", result) for result in results] + [("list", group) for group in grouped]
    sections, maps = [], []
    for kind, of in tqdm(steps, desc="drawing", unit="part", leave=False, dynamic_ncols=True):
        if kind == "map":
            maps.append(map_section(f"map{len(maps)}", of))
        else:
            sections.append(list_section(f"list{len(sections)}", *of))
    runs = {str(result.run): result for result in results}
    labels = {run: result.label if len(runs) > 1 else "" for run, result in runs.items()}
    logs = {labels[run] or result.label: result.train_log() for run, result in runs.items()}
    return {
        "title": " vs ".join(result.label for result in results),
        "headlines": [
            words.headline(name, systems, len(results)) for name, systems in grouped if systems
        ],
        "unlabelled": words.unlabelled(results),
        "sections": sections,
        "maps": maps,
        "training": training("training", logs),
        "no_log": [label for label, log in logs.items() if not log],
        "several": len(results) > 1,
        "made": [words.made(result) for result in results],
    }


def group_lists(results):
    """Put together what can be compared: the scores of the same trials.

    Arguments
    ---------
    results : list of Result

    Returns
    -------
    list of (str, dict of str to ScoredList)
        Name of each list with error rates, and its scores by the name of the system.
    """
    groups = {}
    for result in results:
        for of in result.lists:
            if of.evaluation is not None:
                _, systems = groups.setdefault(of.content, (of.name, {}))
                systems[result.label] = (result, of)
    return list(groups.values())


def list_section(name, title, systems):
    """What the page says of one trial list.

    Arguments
    ---------
    name : str
        Of the section: the names of its pictures begin with it.
    title : str
    systems : dict of str to (Result, ScoredList)

    Returns
    -------
    dict
    """
    lists = {label: of for label, (_, of) in systems.items()}
    kinds = dict.fromkeys(entry["by"] for of in lists.values() for entry in of.breakdown)
    groups = {label: of.breakdown for label, of in lists.items()}
    spreads = []
    for number, (label, (result, of)) in enumerate(systems.items()):
        about = result.about
        threshold, calibrated = about.get("threshold"), about["calibrated"]
        spreads.append(
            {
                "label": label,
                "calibrated": calibrated,
                "threshold": threshold,
                "histogram": scores.histogram(
                    f"{name}-histogram{number}", of, threshold, calibrated
                ),
                "calibration": scores.calibration(f"{name}-calibration{number}", of),
                "worst": worst_trials(of),
            }
        )
    first = next(iter(lists.values()))
    return {
        "id": name,
        "title": title,
        "trials": first.evaluation["trials"],
        "bootstrap": first.evaluation["bootstrap"],
        "labels": list(lists),
        "metrics": words.metrics_table(lists),
        "det": scores.det(f"{name}-det", lists),
        "spreads": spreads,
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
    }


def worst_trials(scored, number=NUM_WORST):
    """The trials that are farthest on the wrong side.

    Arguments
    ---------
    scored : ScoredList
    number : int
        Of each kind.

    Returns
    -------
    dict of str to list of (float, str, str)
        Score and ids of the highest-scoring non-target and of the lowest-scoring target trials.
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


def map_section(name, result):
    """The map of the embeddings of the first list with labels, or of all where there is none.

    Arguments
    ---------
    name : str
        Of the picture.
    result : Result

    Returns
    -------
    dict
        With "svg" None where there is nothing to draw.
    """
    section = {"label": result.label, "svg": None, "shown": 0, "of": 0, "list": None}
    embeddings = result.embeddings()
    if embeddings is None:
        return section
    labelled = [of for of in result.lists if of.evaluation is not None]
    rows = range(len(embeddings.ids))
    if labelled:
        trials = labelled[0].trials
        wanted = {utterance_key(id) for side in (trials.enrol, trials.test) for id in side}
        rows = [row for row in rows if utterance_key(embeddings.ids[row]) in wanted]
        section["list"] = labelled[0].name
    section["of"] = len(rows)
    drawn = np.array(rows, dtype=int)[projection.choose(len(rows), projection.MOST_POINTS)]
    if len(drawn) >= 3:
        ids = [embeddings.ids[row] for row in drawn]
        section["svg"] = projection.speaker_map(name, ids, embeddings.vectors[drawn])
        section["shown"] = len(drawn)
        section["speakers"] = len({id.split("/")[0] for id in ids if "/" in id})
    return section

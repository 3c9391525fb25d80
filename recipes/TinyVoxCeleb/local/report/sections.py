"""The sections of the report: what each has to show."""

import numpy as np

from local.layout import utterance_key
from local.report import breakdowns, projection, scores, words

NUM_WORST = 10


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
    embeddings = result.embeddings
    if embeddings is None:
        return section
    labelled = [of for of in result.lists if of.evaluation is not None]
    rows = range(len(embeddings.ids))
    if labelled:
        trials = labelled[0].trials
        wanted = {utterance_key(name) for side in (trials.enrol, trials.test) for name in side}
        rows = [row for row in rows if utterance_key(embeddings.ids[row]) in wanted]
        section["list"] = labelled[0].name
    section["of"] = len(rows)
    drawn = np.array(rows, dtype=int)[projection.choose(len(rows), projection.MOST_POINTS)]
    if len(drawn) >= 3:
        ids = [embeddings.ids[row] for row in drawn]
        section["svg"] = projection.speaker_map(name, ids, embeddings.vectors[drawn])
        section["shown"] = len(drawn)
        section["speakers"] = len({key.split("/")[0] for key in ids if "/" in key})
    return section

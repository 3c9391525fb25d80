"""The suite: lists of trials of speakers who are unseen in training, scored side by side.

Recipes are chosen by `choice`, the geometric mean of the EERs of the lists that choose: an error
more on a hard list weighs as much as on an easy one, and no list can be tuned away. Of telephone
calls and of moods, half of the speakers choose; the other half is only reported.
"""

import itertools
import math
from dataclasses import dataclass, replace

from local.embeddings import Embeddings
from local.metrics import evaluate
from local.scoring.backends import Backend
from local.scoring.calibration import fit_calibration
from local.scoring.trial_scores import score_trials
from local.scoring.trials import TrialList, read_trials
from local.scoring.utterances import find_utterances

HALVES = {"odd": 0, "even": 1}  # the first, third, ... of the sorted speakers; the others


@dataclass(frozen=True)
class TestList:
    """One list: its name in tables, the corpus whose trials it has, and perhaps only a half."""

    __test__ = False  # nothing that pytest should collect

    title: str
    corpus: str
    half: str = ""
    chooses: bool = True


LISTS = {
    "channels": TestList("-channels", "channels"),
    "dev": TestList("tiny-librispeech", "dev"),
    "calls_odd": TestList("phone-calls, odd", "calls", "odd"),
    "calls_even": TestList("phone-calls, even", "calls", "even", chooses=False),
    "moods_odd": TestList("emodb, odd", "moods", "odd"),
    "moods_even": TestList("emodb, even", "moods", "even", chooses=False),
    "unseen": TestList("arabic-speakers", "unseen"),
}
CORPORA = tuple(dict.fromkeys(one.corpus for one in LISTS.values()))
MEASURES = ("eer", "low", "high", "mindcf", "cllr")  # columns of each list
CALIBRATES = dict.fromkeys(LISTS, "dev") | {"dev": "channels"}  # Cllr: by another list


def measure(embeddings: dict[str, Embeddings], trial_lists: dict) -> dict[str, float | str]:
    """Score all lists by cosine, from the embeddings and the path of the trials of each corpus.

    Returns the `MEASURES` of each list, as "<list>_<measure>": EER and its 95 % interval in
    percent, minDCF at a target prior of 0.01, and Cllr in bits after a calibration fitted on
    another list (`CALIBRATES`); and "choice".
    """
    scored = {}
    for key, one in LISTS.items():
        table = embeddings[one.corpus]
        trials = find_utterances(read_trials(trial_lists[one.corpus]), table.ids)
        trials = _half(trials, one.half) if one.half else trials
        scored[key] = trials, score_trials(Backend("cosine"), table, trials)
    columns = {}
    for key, (trials, scores) in scored.items():
        other, other_scores = scored[CALIBRATES[key]]
        llrs = fit_calibration(other_scores, other.labels)(scores)
        metrics = evaluate(scores, trials.labels, trials.speakers(), llrs=llrs)["metrics"]
        bounds = [metrics["eer"][bound] for bound in ("value", "low", "high")]
        values = ["" if value is None else round(100 * value, 2) for value in bounds]
        values += [round(metrics[name]["value"], 3) for name in ("min_dcf_0.01", "cllr")]
        columns |= {f"{key}_{name}": value for name, value in zip(MEASURES, values, strict=True)}
    return columns | {"choice": choice(columns)}


def choice(columns: dict) -> float:
    """The geometric mean of the EERs of the lists that choose, in percent.

    Example
    -------
    >>> choice({f"{key}_eer": 8 if key == "dev" else 1 for key in LISTS})
    1.52
    """
    eers = [float(columns[f"{key}_eer"]) for key, one in LISTS.items() if one.chooses]
    return round(math.prod(eers) ** (1 / len(eers)), 2)


def _half(trials: TrialList, half: str) -> TrialList:
    """The trials both of whose speakers belong to a half."""
    sides = trials.speakers()
    chosen = set(sorted(set().union(*sides))[HALVES[half] :: 2])
    kept = [chosen.issuperset(pair) for pair in zip(*sides, strict=True)]
    enrol, test = (list(itertools.compress(side, kept)) for side in trials.pairs())
    return replace(trials, labels=trials.labels[kept], enrol=enrol, test=test)

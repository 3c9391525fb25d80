"""Open-set identification: who of a gallery speaks, or nobody of it.

Each probe is a search of all models. Mated probes have a model of their speaker, the others none.
Rates and names are those of ISO/IEC 19795-1:2021 and of NIST's FRTE 1:N [1], and of [2].

References
----------
[1] P. Grother, M. Ngan, K. Hanaoka, "Face recognition vendor test part 2: identification", NISTIR
8271, 2019. [2] P. J. Phillips, P. Grother, R. Micheals, "Evaluation methods in face recognition",
in "Handbook of face recognition", 2nd edition, 2011.
"""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from local.metrics.bootstrap import interval_of, number_speakers, speaker_weights
from local.metrics.evaluation import Bootstrap, Value
from local.metrics.roc import SortedTrials
from local.scoring.trials import TrialList

FALSE_ALARMS = (0.01, 0.1)  # shares of probes without model that are taken for somebody
SLACK = 1e-9  # of such a share, for sums of weights


class Searched(TypedDict):
    """How many models were searched for how many probes."""

    models: int
    mated: int
    nonmated: int
    left_out: int
    speakers: int


class Identification(TypedDict):
    """What `identify` returns."""

    searches: Searched
    metrics: dict[str, Value]
    bootstrap: Bootstrap


class Searches:
    """The searches of a gallery, as matrices.

    Arguments
    ---------
    scores : numpy.ndarray
        Of each probe with each model, higher for the same speaker, shape (probes, models).
    same : numpy.ndarray
        Whether they are of one speaker. A speaker may have several models, of which the one that
        scores highest counts.

    Attributes
    ----------
    mated : numpy.ndarray
        Which probes have a model of their speaker, shape (probes,).
    found : numpy.ndarray
        Which of them score higher there than with all models of others; a tie tells nobody.
    """

    def __init__(self, scores: np.ndarray, same: np.ndarray):
        self.mated = same.any(axis=1)
        own = np.where(same, scores, -np.inf).max(axis=1)
        other = np.where(same, -np.inf, scores).max(axis=1)
        self.found = own > other
        self._open = None
        if self.mated.any() and not self.mated.all():
            best = np.where(self.mated, own, other)
            lowest = best.min() - 1  # where a probe with another's score is never accepted
            first = np.where(self.mated & ~self.found, lowest, best)
            self._open = SortedTrials(first, self.mated), SortedTrials(best, self.mated)

    def curves(self, weights: np.ndarray | None = None) -> tuple | None:
        """What all thresholds give, None unless there are probes with and without a model.

        Two pairs of rates, shape (thresholds,): of false alarms, which is FPIR, and of probes that
        are not found by their model at rank 1, or at any rank, with a score as high: 1 - DIR, and
        FNIR. Weights are those of the probes.
        """
        return self._open and tuple(trials.roc(weights) for trials in self._open)

    def rates(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """All rates, see `identify`; without those that take probes of a kind that is not there."""
        values, curves = {}, self.curves(weights)
        if self.mated.any():
            weighed = None if weights is None else weights[self.mated]
            values["rank_1"] = float(np.average(self.found[self.mated], weights=weighed))
        for name, (false_alarm, miss) in zip(("dir", "fnir"), curves or (), strict=False):
            for most in FALSE_ALARMS:
                at = np.searchsorted(false_alarm, most + SLACK, side="right") - 1
                values[f"{name}_{most}"] = float(1 - miss[at] if name == "dir" else miss[at])
        return values


def arrange(
    scores: np.ndarray, labels: np.ndarray, enrol: Sequence[str], test: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, list[str]] | None:
    """Scores and labels of trials as matrices (probes, models), and the probes.

    None where a probe is not compared with each model once: then nobody was looked for.
    """
    models = {name: place for place, name in enumerate(dict.fromkeys(enrol))}
    probes = {name: place for place, name in enumerate(dict.fromkeys(test))}
    shape = len(probes), len(models)
    if len(labels) != shape[0] * shape[1]:
        return None
    rows = np.array([probes[name] for name in test]), np.array([models[name] for name in enrol])
    places = np.full(shape, -1)
    places[rows] = np.arange(len(labels))
    return None if (places < 0).any() else (scores[places], labels[places], list(probes))


def identify(
    scores: np.ndarray,
    labels: np.ndarray,
    enrol: Sequence[str],
    test: Sequence[str],
    speakers: Sequence[str] | None = None,
    *,
    num_bootstrap: int = 200,
    seed: int = 0,
) -> Identification | None:
    """Identification rates of trials that compare each test utterance with each model.

    Arguments
    ---------
    scores, labels : numpy.ndarray
        As for `evaluate`. A probe with a trial whose label is -1 is left out.
    enrol, test : sequence of str
        Model and test utterance of each trial.
    speakers : sequence of str, optional
        Those of the test utterances. Intervals resample them; the gallery stays, because rates are
        those of a gallery of its size.

    Returns
    -------
    dict or None
        "searches": counts; "metrics": by name "value", "low" and "high", as in `evaluate`;
        "bootstrap": how. None for other trials, or where all are left out. The metrics: rank_1, the
        share of mated probes that score highest with their own model; dir_F, those that also reach
        a threshold which F of the other probes reach at the most (detection and identification
        rate); fnir_F, those whose own model does not reach it, whatever others do. Without a probe
        of both kinds there is no threshold.

    Example
    -------
    >>> scores, labels = np.array([0.9, 0.2, 0.6, 0.7, 0.1, 0.3]), np.array([1, 0, 1, 0, 0, 0])
    >>> found = identify(scores, labels, list("ababab"), list("xxyyzz"))
    >>> [found["metrics"][name]["value"] for name in ("rank_1", "dir_0.01", "fnir_0.01")]
    [0.5, 0.5, 0.0]
    """
    arranged = arrange(scores, labels, enrol, test)
    if arranged is None:
        return None
    scores, labels, probes = arranged
    known = (labels >= 0).all(axis=1)
    if not known.any():
        return None
    searches = Searches(scores[known], labels[known] == 1)
    sides = None
    if speakers is not None:
        own = dict(zip(test, speakers, strict=True))
        sides = [[own[name] for name in probes]] * 2
    num_speakers, rows = number_speakers(sides, known)
    kinds = [kind for kind in (searches.mated, ~searches.mated) if kind.any()]
    samples = [
        searches.rates(weights)
        for weights in speaker_weights(rows, num_speakers, num_bootstrap, seed)
        if all(weights[kind].any() for kind in kinds)
    ]
    metrics = {}
    for name, value in searches.rates().items():
        drawn = [sample[name] for sample in samples]
        metrics[name] = interval_of(
            value, drawn, num_speakers, highest=1.0, success=not name.startswith("fnir")
        )
    counts = {"models": scores.shape[1], "mated": int(searches.mated.sum())}
    counts |= {"nonmated": int((~searches.mated).sum()), "left_out": int((~known).sum())}
    how = {"resamples": num_bootstrap, "seed": seed, "over": "speakers"}
    return {
        "searches": counts | {"speakers": num_speakers},
        "metrics": metrics,
        "bootstrap": how,
    }


def identify_models(trials: TrialList, scores: np.ndarray, **options) -> Identification | None:
    """What `identify` gives for a trial list, None where its first ids are not models."""
    if trials.enrolment is None:
        return None
    speakers = trials.speakers()
    tested = speakers and speakers[1]
    return identify(scores, trials.labels, *trials.pairs(), tested, **options)

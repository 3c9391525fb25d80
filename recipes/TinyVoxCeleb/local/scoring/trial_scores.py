"""Score the trials of a list by the embeddings of their utterances."""

from collections.abc import Iterable

import numpy as np

from local.embeddings import Embeddings
from local.scoring.backends import Backend
from local.scoring.trials import TrialList, check_both_kinds, read_trials
from local.scoring.utterances import find_utterances


def read_labelled_trials(path: str, keys: Iterable[str]) -> TrialList:
    """Read a trial list with labels, all of whose utterances are among the keys.

    Raises
    ------
    RecipeError
        See `read_trials`, `check_both_kinds` and `find_utterances`.
    """
    trials = find_utterances(read_trials(path), keys)
    check_both_kinds(trials.labels, trials.path)
    return trials


def score_trials(backend: Backend, embeddings: Embeddings, trials: TrialList) -> np.ndarray:
    """The backend's score of each trial, float64, shape (trials,), higher for the same speaker."""
    return backend.score(embeddings.vectors, *trials.rows(embeddings.rows))


def cosine_scores(vectors: dict[str, np.ndarray], trials: TrialList) -> np.ndarray:
    """Cosine of the two sides of each trial, in [-1, 1], from a vector an utterance.

    Raises
    ------
    RecipeError
        An utterance without vector, or a vector that is not finite.

    Example
    -------
    >>> vectors = {"a": np.array([1.0, 0.0]), "b": np.array([3.0, 0.0]), "c": np.array([0.0, 2.0])}
    >>> cosine_scores(vectors, TrialList(np.array([1, 0]), ["a", "a"], ["b", "c"]))
    array([1., 0.])
    """
    trials = find_utterances(trials, vectors)
    lengths = np.zeros(len(vectors), dtype=np.int64)  # not asked for
    table = Embeddings(list(vectors), np.stack(list(vectors.values())), lengths, {})
    return score_trials(Backend("cosine"), table.check(trials.path), trials)

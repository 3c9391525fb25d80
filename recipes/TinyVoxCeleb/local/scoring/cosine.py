"""From embeddings and trials to scores: cosine similarity, as training needs it."""

import numpy as np

from local.embeddings import Embeddings
from local.errors import RecipeError
from local.layout import utterance_key
from local.scoring import backends


def check_covered(trials, keys):
    """Check that each utterance of a trial list is there before anything long begins.

    Arguments
    ---------
    trials : TrialList
    keys : container of str
        The utterances that the shards hold.

    Raises
    ------
    RecipeError
        How many trials name utterances that are in no shard, and the first five of these.
    """
    keys = set(keys)
    missing, count = {}, 0
    for pair in zip(*trials.pairs(), strict=True):
        absent = [name for name in pair if utterance_key(name) not in keys]
        missing |= dict.fromkeys(absent)
        count += bool(absent)
    if missing:
        raise RecipeError(
            f"{trials.path}: {count} of {len(trials)} trials name utterances that are in no shard, "
            f"{len(missing)} in all, first {', '.join(list(missing)[:5])}; name the shards that "
            "hold them, or mend the list"
        )


def cosine_scores(embeddings, trials):
    """Cosine similarity of the two sides of each trial.

    Arguments
    ---------
    embeddings : dict of str to numpy.ndarray
        One vector of shape (dim,) an utterance.
    trials : TrialList

    Returns
    -------
    numpy.ndarray
        Scores in [-1, 1], float64, shape (trials,).

    Raises
    ------
    RecipeError
        An utterance without embedding, or an embedding that is not finite.

    Example
    -------
    >>> from local.scoring.trials import TrialList
    >>> vectors = {"a": np.array([1.0, 0.0]), "b": np.array([3.0, 0.0]), "c": np.array([0.0, 2.0])}
    >>> cosine_scores(vectors, TrialList(np.array([1, 0]), ["a", "a"], ["b", "c"]))
    array([1., 0.])
    """
    check_covered(trials, embeddings)
    vectors = np.stack(list(embeddings.values()))
    lengths = np.zeros(len(vectors), dtype=np.int64)  # not asked for
    table = Embeddings(list(embeddings), vectors, lengths, {}).check(trials.path)
    return backends.cosine_scores(table.vectors, *(table.rows(side) for side in trials.pairs()))

"""Make a backend from the embeddings of the training speakers."""

import logging

import numpy as np

from local.errors import RecipeError
from local.scoring.backends import SCORINGS, Backend, unit_length
from local.scoring.plda import fit_plda, speaker_means

MIN_COHORT = 10  # below, mean and spread of the cohort's scores say little

logger = logging.getLogger(__name__)


def make_backend(scoring, train=None, top_n=300):
    """Prepare a way of scoring. Only training embeddings go in: never those of evaluation trials.

    Arguments
    ---------
    scoring : str
        One of `local.scoring.backends.SCORINGS`.
    train : (numpy.ndarray, sequence of str), optional
        Training embeddings, shape (utterances, dim), and their speakers; "cosine" needs none.
    top_n : int
        Cohort speakers that count for an utterance in as_norm.

    Returns
    -------
    Backend

    Raises
    ------
    RecipeError
        An unknown scoring, no training embeddings or such that are not finite, a cohort or a
        `top_n` below 10, or training data from which PLDA cannot be fitted.

    Example
    -------
    >>> vectors = np.random.default_rng(0).normal(size=(20, 4))
    >>> make_backend("as_norm", (vectors, [f"s{row // 2}" for row in range(20)]), 10).cohort.shape
    (10, 4)
    """
    if scoring not in SCORINGS:
        raise RecipeError(f"scoring {scoring!r}: expected one of {', '.join(SCORINGS)}")
    if scoring == "cosine":
        return Backend("cosine")
    if train is None or not len(train[0]):
        raise RecipeError(f"scoring {scoring} needs the training embeddings: name their shards")
    vectors, speakers = train
    if not np.isfinite(vectors).all():
        bad = (~np.isfinite(vectors)).any(axis=1).sum()
        raise RecipeError(f"{bad} of {len(vectors)} training embeddings are not finite")
    if scoring == "mean_subtracted":
        return Backend(scoring, mean=np.mean(vectors, axis=0, dtype=np.float64))
    if scoring == "plda":
        return fit_plda(vectors, speakers)
    cohort = speaker_means(unit_length(vectors), speakers)[0]
    if len(cohort) < MIN_COHORT:
        raise RecipeError(
            f"scoring {scoring} with a cohort of {len(cohort)} training speakers: expected "
            f"{MIN_COHORT} or more; choose another scoring"
        )
    if scoring != "as_norm":
        return Backend(scoring, cohort=cohort)
    if top_n < MIN_COHORT:
        raise RecipeError(f"top_n {top_n}: expected {MIN_COHORT} cohort speakers or more")
    if top_n > len(cohort):
        logger.warning(
            f"as_norm: the cohort has {len(cohort)} speakers, fewer than top_n {top_n}: all of "
            "them count, as in s_norm"
        )
    return Backend(scoring, cohort=cohort, top_n=top_n)

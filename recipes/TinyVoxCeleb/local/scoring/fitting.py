"""Fit backends on the embeddings of training speakers: cohorts, and PLDA in closed form."""

import logging
from collections.abc import Sequence

import numpy as np
from scipy.linalg import eigh
from sklearn.covariance import ledoit_wolf

from local.errors import RecipeError
from local.scoring.backends import SCORINGS, Backend, unit_length

MIN_COHORT = 10  # below, mean and spread of the cohort's scores say little
FLOOR = 1e-6  # of the mean variance: below, a direction holds rounding errors

logger = logging.getLogger(__name__)


def make_backend(
    scoring: str, train: tuple[np.ndarray, Sequence[str]] | None = None, top_n: int = 300
) -> Backend:
    """Prepare one of `SCORINGS` with the embeddings of training speakers.

    These, shape (utterances, dim), and their speakers are `train`, and never embeddings of
    evaluation trials; "cosine" needs none. `top_n` is how many cohort speakers count for an
    utterance in as_norm.

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


def fit_plda(vectors: np.ndarray, speakers: Sequence[str]) -> Backend:
    """Fit PLDA in the space where it is diagonal; the directions of that space are those of LDA.

    The vectors, shape (utterances, dim), are centred and scaled to unit length first [1], which
    makes them more Gaussian. The generalised eigenvectors of the two covariances are at once LDA,
    of which those with positive between-speaker variance are kept, and the basis in which PLDA is
    diagonal [2].

    SpeechBrain's `LDA` takes the symmetric eigenvectors of a matrix that is not symmetric, and its
    `PLDA`, like an EM for a full residual covariance in general, needs more free residuals than
    dimensions; scikit-learn's LDA shrinks the covariance of each class by itself, which two
    utterances do not bear. Where there is data enough SpeechBrain's PLDA agrees with this one (see
    the tests).

    References
    ----------
    [1] D. Garcia-Romero and C. Y. Espy-Wilson, "Analysis of i-vector length normalization in
    speaker recognition systems", Interspeech 2011. [2] S. Ioffe, "Probabilistic linear
    discriminant analysis", ECCV 2006.
    """
    centre = np.mean(vectors, axis=0, dtype=np.float64)
    mean, within, between = two_covariance(unit_length(vectors, centre), speakers)
    variances, directions = eigh(between, within)
    kept = np.flatnonzero(variances > FLOOR)[::-1]
    projection = directions[:, kept]
    return Backend(
        "plda",
        mean=centre,
        projection=projection,
        shift=mean @ projection,
        between=variances[kept],
    )


def two_covariance(
    vectors: np.ndarray, speakers: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, within- and between-speaker covariance of labelled vectors, by their moments [1].

    The within-speaker covariance is shrunk towards a multiple of the identity [2]: two or three
    utterances a speaker leave fewer free residuals than dimensions, and then the plain estimate has
    no inverse. What the noise of the speakers' means adds to their covariance is subtracted, so
    that the second covariance may have negative eigenvalues, as any difference of estimates.

    Raises
    ------
    RecipeError
        If no speaker has two utterances, or if there is one speaker only.

    References
    ----------
    [1] S. R. Searle, G. Casella, C. E. McCulloch, "Variance components", 1992, section 3.6.
    [2] O. Ledoit and M. Wolf, "A well-conditioned estimator for large-dimensional covariance
    matrices", Journal of Multivariate Analysis 2004.
    """
    means, speaker, counts = speaker_means(vectors, speakers)
    repeated = counts[speaker] > 1
    if not repeated.any() or len(counts) < 2:
        raise RecipeError(
            f"PLDA from {len(vectors)} training utterances of {len(counts)} speakers: expected two "
            "speakers or more, one of them with two utterances; choose another scoring"
        )
    residuals = vectors[repeated] - means[speaker[repeated]]
    free = len(vectors) - len(counts)
    within = ledoit_wolf(residuals, assume_centered=True)[0] * len(residuals) / free
    mean = means.mean(axis=0)
    between = np.atleast_2d(np.cov(means, rowvar=False)) - within * np.mean(1 / counts)
    floor = FLOOR * np.mean((vectors - mean) ** 2) or 1.0
    return mean, within + floor * np.eye(len(within)), between


def speaker_means(
    vectors: np.ndarray, speakers: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean vector of each speaker, in the order of their names, shape (speakers, dim).

    Then the number of each utterance's speaker, shape (utterances,), and how many utterances each
    speaker has, shape (speakers,).

    Example
    -------
    >>> speaker_means(np.array([[1.0], [2.0], [4.0]]), ["b", "a", "a"])[0]
    array([[3.],
           [1.]])
    """
    _, speaker, counts = np.unique(speakers, return_inverse=True, return_counts=True)
    order = np.argsort(speaker, kind="stable")
    starts = np.cumsum(counts) - counts
    sums = np.add.reduceat(np.asarray(vectors, dtype=np.float64)[order], starts, axis=0)
    return sums / counts[:, None], speaker, counts

"""Fit PLDA on training embeddings, in closed form."""

import numpy as np
from scipy.linalg import eigh
from sklearn.covariance import ledoit_wolf

from local.errors import RecipeError
from local.scoring.backends import Backend, unit_length

FLOOR = 1e-6  # of the mean variance: below, a direction holds rounding errors


def two_covariance(vectors, speakers):
    """Mean, within- and between-speaker covariance of labelled vectors, by their moments [1].

    The within-speaker covariance is shrunk towards a multiple of the identity [2]: two or three
    utterances a speaker leave fewer free residuals than dimensions, and then the plain estimate has
    no inverse. What the noise of the speakers' means adds to their covariance is subtracted.

    Arguments
    ---------
    vectors : numpy.ndarray
        Shape (utterances, dim).
    speakers : array_like
        Their speakers, shape (utterances,).

    Returns
    -------
    (numpy.ndarray, numpy.ndarray, numpy.ndarray)
        Mean of the speakers' means, shape (dim,), and the two covariances, (dim, dim). The second
        may have negative eigenvalues, as any difference of estimates.

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


def fit_plda(vectors, speakers):
    """PLDA in the space where it is diagonal; its directions are those of LDA.

    The vectors are centred and scaled to unit length first [1], which makes them more Gaussian. The
    generalised eigenvectors of the two covariances are at once LDA, of which those with positive
    between-speaker variance are kept, and the basis in which PLDA is diagonal [2].

    SpeechBrain's `LDA` takes the symmetric eigenvectors of a matrix that is not symmetric, and its
    `PLDA`, like an EM for a full residual covariance in general, needs more free residuals than
    dimensions; scikit-learn's LDA shrinks the covariance of each class by itself, which two
    utterances do not bear. Where there is data enough SpeechBrain's PLDA agrees with this one (see
    the tests).

    Arguments
    ---------
    vectors : numpy.ndarray
        Training embeddings, shape (utterances, dim).
    speakers : array_like
        Their speakers, shape (utterances,).

    Returns
    -------
    Backend

    Raises
    ------
    RecipeError
        See `two_covariance`.

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


def speaker_means(vectors, speakers):
    """The mean vector of each speaker.

    Arguments
    ---------
    vectors : numpy.ndarray
        Shape (utterances, dim).
    speakers : array_like
        Shape (utterances,).

    Returns
    -------
    (numpy.ndarray, numpy.ndarray, numpy.ndarray)
        Means in the order of the speakers' names, shape (speakers, dim); the number of each
        utterance's speaker, shape (utterances,); utterances of each speaker, shape (speakers,).

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

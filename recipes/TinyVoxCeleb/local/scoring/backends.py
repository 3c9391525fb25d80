"""From vectors and trials to scores: cosine, score normalisation, PLDA.

The rule of the field is kept by construction: a score follows from the two vectors of its trial and
from what a `Backend` holds of the training data. No function here lets one evaluation trial, or
its utterances, change the score of another.

Everywhere `vectors` has the shape (utterances, dim), and `enrol` and `test` are the rows of the two
sides of each trial in it, shape (trials,). Where `models` are given, `enrol` are places among them:
a model is the rows of the utterances that a speaker was enrolled with, at least one.

This file goes into the inference bundle, and into speaker_onnx.py, so it imports nothing of the
recipe, and SciPy only for what an exported network does not do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

SCORINGS = ("cosine", "mean_subtracted", "z_norm", "t_norm", "s_norm", "as_norm", "plda")
BLOCK = 2**18  # numbers held at a time: memory stays flat, and the cache holds them


def unit_length(vectors: np.ndarray, mean: np.ndarray | float = 0.0) -> np.ndarray:
    """Vectors minus a mean, scaled to length 1, as float64; one that equals the mean stays zero."""
    centred = np.asarray(vectors, dtype=np.float64) - mean
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    return centred / np.maximum(norms, np.finfo(np.float64).tiny)


def pair_products(
    left: np.ndarray, right: np.ndarray, enrol: np.ndarray, test: np.ndarray
) -> np.ndarray:
    """Dot product of row `enrol` of `left` and row `test` of `right`, trial by trial in blocks."""
    products = np.empty(len(enrol))
    step = max(BLOCK // max(left.shape[1], 1), 1)
    for start in range(0, len(enrol), step):
        block = slice(start, start + step)
        products[block] = np.einsum("td,td->t", left[enrol[block]], right[test[block]])
    return products


def add_models(
    vectors: np.ndarray, enrol: np.ndarray, models: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors with the mean of each model's below them, and where the enrolled sides are there.

    Of vectors of length 1, this mean is the model of several sessions that cosine scoring takes,
    and that serves PLDA at least as well as other ways to use them [1].

    References
    ----------
    [1] P. Rajan, A. Afanasyev, V. Hautamäki, T. Kinnunen, "From single to multiple enrollment
    i-vectors: practical PLDA scoring variants for speaker verification", Digital Signal Processing
    31, 2014.

    Example
    -------
    >>> add_models(np.eye(2), np.array([0]), [np.array([0, 1])])
    (array([[1. , 0. ],
           [0. , 1. ],
           [0.5, 0.5]]), array([2]))
    """
    sizes = np.array([len(rows) for rows in models])
    sums = np.add.reduceat(vectors[np.concatenate(models)], np.cumsum(sizes) - sizes, axis=0)
    return np.concatenate([vectors, sums / sizes[:, None]]), len(vectors) + enrol


def cosine_similarity(
    vectors: np.ndarray, enrol: np.ndarray, test: np.ndarray, mean: np.ndarray | float = 0.0
) -> np.ndarray:
    """Cosine of the two sides of each trial, in [-1, 1], of vectors minus a mean.

    Example
    -------
    >>> vectors = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]])
    >>> cosine_similarity(vectors, np.array([0, 0]), np.array([1, 2]))
    array([1., 0.])
    """
    vectors = unit_length(vectors, mean)
    return pair_products(vectors, vectors, enrol, test).clip(-1.0, 1.0)


def cohort_statistics(
    vectors: np.ndarray, cohort: np.ndarray, top_n: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and spread of the cosine of each utterance with a cohort of training speakers.

    With `top_n` only the highest scores of each utterance count: its own nearest cohort, which is
    what makes s-norm adaptive [1], [2].

    Arguments
    ---------
    cohort : numpy.ndarray
        One vector a speaker, shape (speakers, dim), two speakers at least.
    top_n : int, optional
        At least 2; a smaller cohort is used whole.

    Returns
    -------
    (numpy.ndarray, numpy.ndarray)
        Mean and sample standard deviation, shape (utterances,). Where there is no spread it is
        given as 1, so that nothing is divided by zero.

    References
    ----------
    [1] S. Cumani et al., "Comparison of speaker recognition approaches for real applications",
    Interspeech 2011. [2] P. Matějka et al., "Analysis of score normalization in multilingual
    speaker recognition", Interspeech 2017.
    """
    vectors, cohort = unit_length(vectors), unit_length(cohort).T
    means, spreads = np.empty(len(vectors)), np.empty(len(vectors))
    kept = min(top_n or cohort.shape[1], cohort.shape[1])
    step = max(BLOCK // cohort.shape[1], 1)
    for start in range(0, len(vectors), step):
        block = slice(start, start + step)
        scores = vectors[block] @ cohort
        if kept < cohort.shape[1]:
            scores = np.partition(scores, -kept, axis=1)[:, -kept:]
        means[block], spreads[block] = scores.mean(axis=1), scores.std(axis=1, ddof=1)
    return means, np.where(spreads > 1e-8, spreads, 1.0)


def plda_scores(
    vectors: np.ndarray, enrol: np.ndarray, test: np.ndarray, between: np.ndarray
) -> np.ndarray:
    """Log-likelihood ratios (natural logarithms) of a PLDA model where it is diagonal [1].

    In the space of these vectors an utterance is its speaker's mean, with variances `between`,
    shape (dim,), plus noise of variance 1, independently in each dimension.

    References
    ----------
    [1] S. Ioffe, "Probabilistic linear discriminant analysis", ECCV 2006.
    """
    pair = 2 * between + 1  # the determinant of the covariance of two utterances of a speaker
    own = (vectors**2) @ (between**2 / (pair * (between + 1))) / 2
    constant = np.sum(np.log1p(between) - np.log(pair) / 2)
    products = pair_products(vectors * (between / pair), vectors, enrol, test)
    return constant - own[enrol] - own[test] + products


@dataclass(frozen=True, eq=False)
class Backend:
    """One way of scoring, with all that it needs of the training data.

    z_norm subtracts from a cosine the mean of the enrolment utterance's cosines with a cohort, and
    divides by their spread; t_norm [1] does so for the test utterance; s_norm [2] and as_norm [3]
    give the mean of both. The enrolment utterance of a model is the one of `add_models`.

    Attributes
    ----------
    name : str
        One of `SCORINGS`.
    mean : numpy.ndarray, optional
        Of the training vectors, shape (dim,); for mean_subtracted and plda.
    cohort : numpy.ndarray, optional
        One vector a training speaker, shape (speakers, dim); for z-, t-, s- and as_norm.
    top_n : int, optional
        Cohort speakers that count for an utterance; for as_norm.
    projection : numpy.ndarray, optional
        Into the space of `plda_scores`, shape (dim, kept).
    shift, between : numpy.ndarray, optional
        Mean and between-speaker variances in that space, shape (kept,).

    References
    ----------
    [1] R. Auckenthaler, M. Carey, H. Lloyd-Thomas, "Score normalization for text-independent
    speaker verification systems", Digital Signal Processing 2000. [2] P. Kenny, "Bayesian speaker
    verification with heavy-tailed priors", Odyssey 2010. [3] See `cohort_statistics`.

    Example
    -------
    >>> backend = Backend("cosine")
    >>> scores = backend.score(np.eye(2), np.array([0, 0]), np.array([0, 1]))
    >>> backend.to_unit(scores)
    array([1. , 0.5])
    """

    name: str
    mean: np.ndarray | None = None
    cohort: np.ndarray | None = None
    top_n: int | None = None
    projection: np.ndarray | None = None
    shift: np.ndarray | None = None
    between: np.ndarray | None = None

    def score(
        self,
        vectors: np.ndarray,
        enrol: np.ndarray,
        test: np.ndarray,
        models: Sequence[np.ndarray] | None = None,
    ) -> np.ndarray:
        """Score trials, float64, higher for the same speaker.

        A score depends on its own two vectors, or model and vector, and the training data alone.
        """
        vectors, enrol, test, models = _used(vectors, enrol, test, models)
        if self.name == "plda":
            projected = unit_length(vectors, self.mean) @ self.projection - self.shift
            return plda_scores(projected, enrol, test, self.between)
        mean = 0.0 if self.mean is None else self.mean
        if models is not None:
            vectors, enrol = add_models(unit_length(vectors, mean), enrol, models)
            mean = 0.0
        if self.name in ("cosine", "mean_subtracted"):
            return cosine_similarity(vectors, enrol, test, mean)
        means, spreads = cohort_statistics(vectors, self.cohort, self.top_n)
        cosines = cosine_similarity(vectors, enrol, test)
        sides = {"z_norm": [enrol], "t_norm": [test]}.get(self.name, [enrol, test])
        return sum((cosines - means[side]) / spreads[side] for side in sides) / len(sides)

    def to_unit(self, scores: np.ndarray) -> np.ndarray:
        """Map scores to [0, 1], keeping their order, for a score list that is not calibrated.

        Cosines become (cosine + 1) / 2, normalised scores their sigmoid, and PLDA's ratios the
        sigmoid of the ratio a dimension, because that of the ratio itself is 1 for many a trial.
        """
        from scipy.special import expit

        if self.name in ("cosine", "mean_subtracted"):
            return (scores + 1) / 2
        return expit(scores / max(len(self.between), 1) if self.name == "plda" else scores)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All fields as plain arrays, for `numpy.savez`."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {key: np.asarray(value) for key, value in values.items() if value is not None}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Backend":
        """The backend that `to_arrays` has taken apart."""
        values = {key: arrays[key] for key in arrays}
        values["name"] = str(values["name"])
        if "top_n" in values:
            values["top_n"] = int(values["top_n"])
        return cls(**values)


def _used(vectors, enrol, test, models):
    """Only the utterances that occur in the trials, so that each of them costs once."""
    enrol, test = np.asarray(enrol), np.asarray(test)
    used = np.zeros(len(vectors), dtype=bool)
    used[enrol if models is None else np.concatenate(models)] = used[test] = True
    if used.all():
        return vectors, enrol, test, models
    places = np.cumsum(used) - 1
    if models is None:
        return vectors[used], places[enrol], places[test], models
    return vectors[used], enrol, places[test], [places[rows] for rows in models]

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
BLOCK, ROWS = 2**18, 128  # numbers at a time, for flat memory; and rows, for fast products


def unit_length(vectors: np.ndarray, mean: np.ndarray | float = 0.0) -> np.ndarray:
    """Vectors minus a mean, scaled to length 1, as float64; one that equals the mean stays zero."""
    units = np.empty(vectors.shape)
    for block in _blocks(*vectors.shape):
        centred = np.subtract(vectors[block], mean, dtype=np.float64)
        norms = np.linalg.norm(centred, axis=1, keepdims=True)
        np.divide(centred, np.maximum(norms, np.finfo(np.float64).tiny), out=units[block])
    return units


def pair_products(
    left: np.ndarray, right: np.ndarray, enrol: np.ndarray, test: np.ndarray
) -> np.ndarray:
    """Dot product of row `enrol` of `left` and row `test` of `right`, trial by trial in blocks."""
    products = np.empty(len(enrol))
    for block in _blocks(len(enrol), left.shape[1]):
        products[block] = np.einsum("td,td->t", left[enrol[block]], right[test[block]])
    return products


def add_models(
    vectors: np.ndarray, enrol: np.ndarray, models: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors with the mean of each model's below them, and where the enrolled sides are there.

    Of vectors of length 1 this mean is the usual model of several sessions: P. Rajan et al., "From
    single to multiple enrollment i-vectors: practical PLDA scoring variants for speaker
    verification", Digital Signal Processing 31, 2014.

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

    The cohort has one vector a speaker, shape (speakers, dim), two at least; `top_n` is 2 or more,
    and a smaller cohort used whole. Where the sample standard deviation, shape (utterances,) as the
    mean, is zero, it is given as 1, so that nothing is divided by zero.

    References
    ----------
    [1] S. Cumani et al., "Comparison of speaker recognition approaches for real applications",
    Interspeech 2011. [2] P. Matějka et al., "Analysis of score normalization in multilingual
    speaker recognition", Interspeech 2017.
    """
    vectors, cohort = unit_length(vectors), unit_length(cohort).T
    means, spreads = np.empty(len(vectors)), np.empty(len(vectors))
    kept = min(top_n or cohort.shape[1], cohort.shape[1])
    for block in _blocks(len(vectors), cohort.shape[1]):
        scores = vectors[block] @ cohort
        if kept < cohort.shape[1]:
            scores = np.partition(scores, -kept, axis=1)[:, -kept:]
        means[block], spreads[block] = scores.mean(axis=1), scores.std(axis=1, ddof=1)
    return means, np.where(spreads > 1e-8, spreads, 1.0)


def plda_scores(
    vectors: np.ndarray, enrol: np.ndarray, test: np.ndarray, between: np.ndarray, sessions=None
) -> np.ndarray:
    """Log-likelihood ratios (natural logarithms) of a PLDA model where it is diagonal [1].

    In the space of these vectors an utterance is its speaker's mean, with variances `between`,
    shape (dim,), plus noise of variance 1, independently in each dimension. A row may be the mean
    of as many enrolled utterances as `sessions` has there, 1 by default: all that the ratio by the
    book needs of them, which is of one speaker for all utterances to another for the test [2].

    References
    ----------
    [1] S. Ioffe, "Probabilistic linear discriminant analysis", ECCV 2006. [2] K. A. Lee et al.,
    "Multi-session PLDA scoring of i-vector for partially open-set speaker detection", Interspeech
    2013.
    """
    counts = np.ones(len(enrol)) if sessions is None else sessions[enrol]
    squares, scores = vectors**2, np.empty(len(enrol))
    for count in np.unique(counts):
        mine = np.flatnonzero(counts == count)
        known = count * between
        joint = (count + 1) * between + 1  # with `known + 1` that of all utterances: determinants
        constant = np.sum((np.log1p(known) + np.log1p(between) - np.log(joint)) / 2)
        model = squares @ (known**2 / (joint * (known + 1))) / 2
        other = squares @ (count * between**2 / (joint * (between + 1))) / 2
        sides = enrol[mine], test[mine]
        products = pair_products(vectors * (known / joint), vectors, *sides)
        scores[mine] = constant - model[sides[0]] - other[sides[1]] + products
    return scores


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
        if models is None:
            vectors, enrol, test = _used(vectors, enrol, test)
        if self.name == "plda":
            projected = unit_length(vectors, self.mean) @ self.projection - self.shift
            sessions = None
            if models is not None:
                sessions = np.append(np.ones(len(projected)), list(map(len, models)))
                projected, enrol = add_models(projected, enrol, models)
            return plda_scores(projected, enrol, test, self.between, sessions)
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


def _blocks(count, width):
    """Rows in blocks of `BLOCK` numbers, or of `ROWS` rows where these are longer."""
    step = max(BLOCK // max(width, 1), ROWS)
    return (slice(start, start + step) for start in range(0, count, step))


def _used(vectors, enrol, test):
    """Only the utterances that occur in the trials, so that each of them costs once."""
    enrol, test = np.asarray(enrol), np.asarray(test)
    used = np.zeros(len(vectors), dtype=bool)
    used[enrol] = used[test] = True
    if used.all():
        return vectors, enrol, test
    places = np.cumsum(used) - 1
    return vectors[used], places[enrol], places[test]

"""From scores to log-likelihood ratios and probabilities: a calibration, applied.

It is fitted by `local.scoring.calibration`. This file goes into the inference bundle, and into
speaker_onnx.py, so it imports NumPy only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

MEASURES = 4  # that `quality_measures` gives
# No fit gives more. Its penalty keeps a weight below 120 over the spread of the scores, of which
# less than 1e-7 is rounding; measures are logarithms; scores are 1e4 at the most, and the offset
# brings their mean to a ratio; a threshold is of the logarithms of costs and odds.
MOST_WEIGHT, MOST_MEASURE, MOST_SCORE, MOST_RATIO = 1e9, 710, 1e4, 2300
LIMIT = 36.0  # beyond, a probability is 1 to all its digits, and its logit infinite


@dataclass(frozen=True)
class Calibration:
    """An affine map from scores, and quality measures if there are any, to log-likelihood ratios.

    All fields are numbers or lists of them, so that `dataclasses.asdict` gives what JSON holds and
    ``Calibration(**content)`` brings it back.

    Attributes
    ----------
    weights : sequence of float
        One a system, then one a quality measure.
    prior : float
        Probability of a target at which it was fitted.
    low, high : sequence of float
        Range of each quality measure in the fit. One that is outside is taken as its end: a length
        that was never seen says nothing reliable.

    Example
    -------
    >>> Calibration([2.0], -1.0)(np.array([0.5, 2.0]))
    array([0., 3.])
    """

    weights: Sequence[float]
    offset: float
    prior: float = 0.5
    low: Sequence[float] = ()
    high: Sequence[float] = ()

    def check(self) -> None:
        """Check what a file has told: that all are numbers of a fit, and as many as needed.

        Raises
        ------
        ValueError
            They are not.
        """
        lists = [self.weights, self.low, self.high]
        if not all(isinstance(values, list | tuple) for values in lists):
            raise ValueError("weights, low and high: expected lists of numbers")
        check_numbers("weights", self.weights, MOST_WEIGHT)
        check_numbers("low and high", [*self.low, *self.high], MOST_MEASURE)
        check_numbers("offset", [self.offset], MOST_SCORE * (1 + sum(map(abs, self.weights))))
        check_numbers("prior", [self.prior], 1)
        if not 0 < self.prior < 1:
            raise ValueError(f"prior {self.prior}: expected a probability between 0 and 1")
        if len(self.low) not in (0, MEASURES) or len(self.high) != len(self.low):
            raise ValueError(
                f"{len(self.low)} low, {len(self.high)} high: expected {MEASURES} or 0"
            )
        if any(low > high for low, high in zip(self.low, self.high, strict=True)):
            raise ValueError(f"low {self.low}, high {self.high}: expected low <= high")

    def __call__(self, scores: np.ndarray, quality: np.ndarray | None = None) -> np.ndarray:
        """Log-likelihood ratios of trials, natural logarithms, shape (trials,).

        Scores have the shape (trials,), or (trials, systems) where several systems are fused;
        `quality` is from `quality_measures`, and needed if the calibration was fitted with it.

        Raises
        ------
        ValueError
            If systems or measures are not as many as in the fit.
        """
        columns = as_columns(scores)
        if quality is not None:
            if quality.shape[1] != len(self.low):
                raise ValueError(f"{quality.shape[1]} quality measures, fitted: {len(self.low)}")
            columns = np.hstack([columns, np.clip(quality, self.low, self.high)])
        if columns.shape[1] != len(self.weights):
            raise ValueError(f"{columns.shape[1]} values a trial, fitted: {len(self.weights)}")
        return columns @ np.asarray(self.weights) + self.offset


def check_numbers(name: str, values: Sequence, most: float) -> None:
    """Check that all are numbers, none of them True or False, and no larger than a fit gives.

    Example
    -------
    >>> check_numbers("weights", [2, 0.5], most=10)
    >>> check_numbers("weights", [2, 1e30], most=10)
    Traceback (most recent call last):
    ValueError: weights: found 1e+30, expected numbers within ±10, as no fit gives others
    """
    for value in values:
        if type(value) not in (int, float) or not -most <= value <= most:
            raise ValueError(
                f"{name}: found {value!a:.40}, expected numbers within ±{most:g}, as no fit gives "
                "others"
            )


def quality_measures(
    vectors: np.ndarray,
    num_frames: np.ndarray,
    enrol: np.ndarray,
    test: np.ndarray,
    models: Sequence[np.ndarray] | None = None,
) -> np.ndarray:
    """What tells how far a score can be trusted: duration and embedding norm of both sides [1].

    The logarithms of shorter and longer duration, smaller and larger norm, shape (trials, 4): so a
    trial and the one with its sides swapped are the same. `vectors` are embeddings as the network
    gives them, shape (utterances, dim), `num_frames` their lengths in audio samples, and `enrol`
    and `test` the rows of the two sides of each trial. Where `models` are given, `enrol` are places
    among these: a model, given by the rows of its utterances, is as long as all of them together,
    and its norm is their mean.

    References
    ----------
    [1] J. Thienpondt, B. Desplanques, K. Demuynck, "The IDLAB VoxCeleb Speaker Recognition
    Challenge 2020 system description", arXiv:2010.12468.

    Example
    -------
    >>> vectors = np.array([[1.0, 0.0], [3.0, 4.0]])
    >>> quality_measures(vectors, np.array([1, 1]), np.array([1]), np.array([0])).round(2)
    array([[0.  , 0.  , 0.  , 1.61]])
    """
    norms = np.linalg.norm(np.asarray(vectors, dtype=np.float64), axis=1)
    if models is not None:
        num_frames = np.append(num_frames, [num_frames[rows].sum() for rows in models])
        norms, enrol = np.append(norms, [norms[rows].mean() for rows in models]), enrol + len(norms)
    columns = []
    for measure in (np.maximum(num_frames, 1), np.maximum(norms, np.finfo(np.float64).tiny)):
        sides = np.log(measure)[enrol], np.log(measure)[test]
        columns += [np.minimum(*sides), np.maximum(*sides)]
    return np.stack(columns, axis=1)


def to_probability(llrs: np.ndarray) -> np.ndarray:
    """The probability of "same speaker" where target and non-target are equally likely before.

    It is strictly between 0 and 1, so that its logit is finite.
    """
    return 1 / (1 + np.exp(-np.clip(llrs, -LIMIT, LIMIT)))


def as_columns(scores: ArrayLike) -> np.ndarray:
    """Scores of one system, shape (trials,), or of several, as float64 (trials, systems)."""
    scores = np.asarray(scores, dtype=np.float64)
    return scores[:, None] if scores.ndim == 1 else scores

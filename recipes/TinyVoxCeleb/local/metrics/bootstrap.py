"""Intervals that resample speakers, because trials that share a speaker are not independent."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student_t

MIN_SPEAKERS = 5  # below, resampling them says nothing


def name_speakers(speakers: Sequence[Sequence[str]]) -> tuple[list[str], np.ndarray]:
    """The names of all speakers, sorted, and their places there, shape (2, trials).

    The speakers are given for both sides of all trials. Millions of trials name few of them: a
    look-up for each is a fraction of a sort.

    Example
    -------
    >>> name_speakers((["b", "a"], ["b", "c"]))
    (['a', 'b', 'c'], array([[1, 0],
           [1, 2]]))
    """
    sides = [side.tolist() if isinstance(side, np.ndarray) else side for side in speakers]
    names = sorted(set().union(*sides))
    places = {name: place for place, name in enumerate(names)}
    rows = [np.fromiter(map(places.get, side), np.intp, len(side)) for side in sides]
    return names, np.stack(rows)


def number_speakers(
    speakers: Sequence[Sequence[str]] | np.ndarray | None, chosen: np.ndarray
) -> tuple[int, np.ndarray | None]:
    """Count the speakers of the chosen trials, and number them on the two sides of each.

    The speakers are given for both sides of all trials, as names, or as numbers from 0 of the shape
    (2, trials), or as None if they are unknown; `chosen` are rows of trials, or a mask. What is
    returned are numbers of the shape (2, chosen trials), in the order of the names or numbers.
    """
    if speakers is None:
        return 0, None
    if not (isinstance(speakers, np.ndarray) and speakers.dtype.kind == "i"):
        _, speakers = name_speakers(speakers)
    rows = speakers[:, chosen]
    present = np.bincount(rows.ravel()) > 0
    return int(present.sum()), (np.cumsum(present) - 1)[rows]


def speaker_weights(
    rows: np.ndarray | None, num_speakers: int, num_bootstrap: int, seed: int
) -> Iterator[np.ndarray]:
    """Weights of the trials in resamples of the speakers [1, 2].

    Speakers, as `number_speakers` gives them, are drawn with replacement; a target trial counts as
    often as its speaker was drawn, a non-target trial as often as its two speakers were drawn
    together. Equal seeds give equal resamples; fewer than 5 speakers give none.

    References
    ----------
    [1] N. Poh and S. Bengio, "Estimating the confidence interval of expected performance curve in
    biometric authentication using joint bootstrap", ICASSP 2007.
    [2] A. B. Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1, 2007.
    """
    if num_speakers < MIN_SPEAKERS:
        return
    first, second = rows
    other = np.where(first == second, num_speakers, second)  # there 1 stands below
    rng = np.random.default_rng(seed)
    for _ in range(num_bootstrap):
        times = rng.multinomial(num_speakers, np.full(num_speakers, 1 / num_speakers)).astype(float)
        weights = times[first]
        weights *= np.append(times, 1.0)[other]
        yield weights


def interval(
    value: float, resampled: ArrayLike, num_speakers: int
) -> tuple[float, float] | tuple[None, None]:
    """95 % interval of an error measure from its values in resamples of the speakers.

    Error rates that are minima over thresholds are too good on few trials, and resamples repeat
    that; plain percentiles would then miss the truth in up to half of all lists. So the bias is
    taken off, the spread widened as for a mean of as few speakers (Student's t), and both are
    computed on a scale, the square root, on which the spread hardly depends on the value [1, 2].
    What rests on a handful of errors (minDCF at a prior of 0.01, or any metric of a list that is
    nearly without errors) still has intervals that hold the truth less often than 95 %.

    The value of the list itself is not negative, and in the interval; there is none where the
    resamples tell no spread.

    References
    ----------
    [1] B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 10, 12.
    [2] T. Hesterberg, "What teachers should know about the bootstrap", The American Statistician
    69, 2015.

    Example
    -------
    >>> low, high = interval(0.1, [0.08, 0.09, 0.1, 0.11, 0.12], num_speakers=10)
    >>> round(low, 2), round(high, 2)
    (0.07, 0.14)
    """
    bounds = _bounds(np.sqrt(value), np.sqrt(resampled), num_speakers)
    if bounds is None:
        return None, None
    low, high = np.square(np.maximum(bounds, 0))
    return float(min(low, value)), float(max(high, value))


def interval_of(
    value: float,
    resampled: Sequence[float],
    num_speakers: int,
    *,
    highest: float = np.inf,
    success: bool = False,
) -> dict[str, float | None]:
    """A measure with its `interval`: "value", "low" and "high", the latter not above `highest`.

    A rate of success has the interval of what is missing to 1, as of the other errors.

    Example
    -------
    >>> interval_of(0.9, [], 10, success=True)
    {'value': 0.9, 'low': None, 'high': None}
    """
    if success:
        high, low = interval(1 - value, [1 - sample for sample in resampled], num_speakers)
        low, high = (None if bound is None else 1 - bound for bound in (low, high))
    else:
        low, high = interval(value, resampled, num_speakers)
    if low is not None:
        low, high = max(low, 0.0), min(high, highest)
    return {"value": value, "low": low, "high": high}


def difference_interval(
    value: float, resampled: ArrayLike, num_speakers: int
) -> tuple[float, float] | tuple[None, None]:
    """As `interval`, for a difference of two measures in the same resamples: on its own scale."""
    bounds = _bounds(value, resampled, num_speakers)
    if bounds is None:
        return None, None
    return float(min(bounds[0], value)), float(max(bounds[1], value))


def _bounds(value, resampled, num_speakers):
    """The value less its bias, minus and plus what Student's t allows; None without a spread."""
    spread = np.std(resampled) if len(resampled) else 0.0
    if spread < 1e-6:  # of the size of rounding errors
        return None
    centre = 2 * value - np.mean(resampled)
    reach = student_t.ppf(0.975, num_speakers - 1) * spread
    reach *= np.sqrt(num_speakers / (num_speakers - 1))
    return centre - reach, centre + reach

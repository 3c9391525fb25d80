"""Calibrate trials by a list with which they share speakers, honestly."""

import itertools

import numpy as np

from local.errors import RecipeError
from local.scoring.calibration import as_measured, check_kinds, checked, fit_weighted

NO_FOLD = -1  # of speakers that nothing is fitted on
MIN_SPEAKERS = 4  # without the two of a trial, two are left: the fewest that have non-targets


def share_speakers(first, second):
    """Whether two lists have a speaker in common; lists with anonymous ids tell of none.

    Arguments
    ---------
    first, second : TrialList

    Returns
    -------
    bool
    """
    sides = first.speakers(), second.speakers()
    return None not in sides and not set().union(*sides[0]).isdisjoint(set().union(*sides[1]))


def cross_validated_llrs(
    scores, labels, speakers, quality=None, *, of=None, prior=0.5, num_folds=5, seed=0
):
    """Calibrate trials by labelled ones, without any speaker in both fit and result.

    The speakers that are fitted on are dealt into folds. A trial between speakers of the folds a
    and b gets its ratio from a calibration fitted on the trials that have no speaker of a or b; one
    between two other speakers from a calibration fitted on all.

    Arguments
    ---------
    scores, labels, quality, prior
        To fit on, as for `fit_calibration`.
    speakers : pair of sequences of str
        The speakers of the two sides of each trial.
    of : (array_like, pair of sequences of str, numpy.ndarray or None), optional
        Scores, speakers and quality of the trials to calibrate, where they are other ones.
    num_folds : int
        At most one a speaker.
    seed : int
        Of the dealing.

    Returns
    -------
    numpy.ndarray
        Log-likelihood ratios, shape (trials,).

    Raises
    ------
    RecipeError
        As for `fit_calibration`; unknown speakers, fewer than four, or a fold that leaves no target
        or no non-target trial to fit on.
    """
    if speakers is None:
        raise RecipeError(
            "calibration: the trials do not tell their speakers, so none can be kept out"
        )
    of_scores, of_speakers, of_quality = of or (scores, speakers, quality)
    scores, labels, measures = checked(scores, labels, quality, prior)
    of_scores, of_measures = as_measured(of_scores, of_quality)
    names = np.unique(np.concatenate(speakers))
    num_folds = min(max(num_folds, MIN_SPEAKERS), len(names))
    if num_folds < MIN_SPEAKERS:
        raise RecipeError(
            f"calibration: the trials have {len(names)} speakers, and to keep those of a trial out "
            f"of its fit takes {MIN_SPEAKERS} or more; use a list with more speakers"
        )
    dealt = np.random.default_rng(seed).permutation(len(names)) % num_folds
    fold = dict(zip(names.tolist(), dealt.tolist(), strict=True))
    sides = [np.array([fold[name] for name in side]) for side in speakers]
    of_sides = [np.array([fold.get(name, NO_FOLD) for name in side]) for side in of_speakers]
    llrs = np.empty(len(of_scores))
    for a, b in itertools.combinations_with_replacement(range(NO_FOLD, num_folds), 2):
        held_out = (np.minimum(*of_sides) == a) & (np.maximum(*of_sides) == b)
        if held_out.any():
            fitted = ~np.isin(sides, (a, b)).any(axis=0)
            check_kinds(
                labels[fitted], f"calibration without {_some(names[np.isin(dealt, (a, b))])}"
            )
            calibration = fit_weighted(scores[fitted], labels[fitted], measures[fitted], prior)
            llrs[held_out] = calibration(of_scores[held_out], of_measures[held_out])
    return llrs


def _some(names):
    return f"the speakers {', '.join(names[:3])}{', …' if len(names) > 3 else ''}"

"""Metrics of resamples, which are made of sums of weights, against lists that repeat the trials."""

import numpy as np
import pytest
from sklearn.metrics import roc_curve
from test_bootstrap import by_speakers

from local.metrics import evaluate, roc
from local.metrics.labelled_trials import LabelledTrials
from local.metrics.roc import SortedTrials

# Of by_speakers(25, 3, 1000) with seed 7, by a version that weighed all points of the ROC.
INTERVALS = {
    "eer": (0.11497545008183309, 0.06249706373314825, 0.1991739112285444),
    "eer_interpolated": (0.11504424778761062, 0.05787320727004566, 0.1944662761196227),
    "min_dcf_0.01": (0.7267080745341614, 0.5612377068661561, 1.0),
    "min_dcf_0.05": (0.6337602374539658, 0.4622318677656737, 1.0),
    "act_dcf_0.01": (0.9937888198757764, 0.9846968383722434, 1.0024933930863442),
    "act_dcf_0.05": (0.860248447204969, 0.7807911352220109, 0.940244496071802),
    "cllr": (0.4986883592242173, 0.393072066767272, 0.627162180495425),
    "min_cllr": (0.39791423682853755, 0.267925773254878, 0.6689064966625096),
    "auc": (0.9450887704062001, 0.8788465278617238, 0.9792995815212187),
}


def odd_trials(seed):
    """Trials with ties, unknown labels, and speakers of very different numbers of trials."""
    scores, labels, speakers = by_speakers(9, seed, 400)
    labels = np.where(np.arange(400) % 11 == 0, -1, labels)
    return np.round(scores, 1 + seed % 2), labels, speakers


def drawn_by_hand(speakers, known, resamples, seed):
    """How often each labelled trial is in each resample, by a loop over them."""
    pairs = [pair for *pair, labelled in zip(*speakers, known, strict=True) if labelled]
    names = sorted({name for pair in pairs for name in pair})
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)))
        times = dict(zip(names, counts.tolist(), strict=True))
        yield [times[a] if a == b else times[a] * times[b] for a, b in pairs]


@pytest.mark.parametrize("seed", range(4))
def test_a_resample_is_measured_as_the_list_of_the_trials_that_it_repeats(seed):
    scores, labels, speakers = odd_trials(seed)
    trials, known = LabelledTrials(scores, labels), labels >= 0
    num_speakers, found = trials.resampled(trials.metrics, speakers, 6, seed)
    assert num_speakers == 9
    for metrics, times in zip(found, drawn_by_hand(speakers, known, 6, seed), strict=True):
        repeated = (np.repeat(each[known], times) for each in (scores, labels))
        expected = evaluate(*repeated)["metrics"]
        assert metrics == pytest.approx({name: expected[name]["value"] for name in expected})


def test_intervals_of_a_seed_stay_what_they_were():
    found = evaluate(*by_speakers(25, 3, 1000), seed=7)["metrics"]
    assert found.keys() == INTERVALS.keys()
    for name, expected in INTERVALS.items():
        assert tuple(found[name].values()) == pytest.approx(expected, rel=1e-12), name


def test_speakers_may_be_names_or_numbers():
    scores, labels, sides = by_speakers(9, 0, 400)
    numbers = np.array(sides).astype(int)  # of one digit, so in the order of the names
    as_lists = [side.tolist() for side in sides]
    expected = evaluate(scores, labels, sides, num_bootstrap=9)
    for speakers in (as_lists, numbers, list(numbers), 3 * numbers + 5):
        assert evaluate(scores, labels, speakers, num_bootstrap=9) == expected


@pytest.mark.parametrize("seed", range(4))
def test_all_points_of_the_roc_are_on_straight_lines_between_its_corners(seed):
    scores, labels, _ = odd_trials(seed)
    scores, labels = scores[labels >= 0], labels[labels >= 0]
    false_alarms, hits = SortedTrials(scores, labels).corners()
    corners = np.stack([false_alarms / false_alarms[-1], 1 - hits / hits[-1]])
    points = np.stack(roc(scores, labels))
    for point in points.T:
        inside = (corners[0, :-1] <= point[0]) & (point[0] <= corners[0, 1:])
        inside &= (corners[1, 1:] <= point[1]) & (point[1] <= corners[1, :-1])
        (x0, y0), (x1, y1) = corners[:, :-1].T[inside][0], corners[:, 1:].T[inside][0]
        assert (point[0] - x0) * (y1 - y0) == pytest.approx((point[1] - y0) * (x1 - x0))
    spread = scores + 1e-6 * np.random.default_rng(0).random(len(scores))  # no ties
    corners, _ = SortedTrials(spread, labels).corners()
    assert 0 <= len(roc_curve(labels, spread)[0]) - len(corners) <= 1  # it keeps the first step

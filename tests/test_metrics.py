"""Equal error rates against scikit-learn, hand-computed convex hulls and a slow definition."""

import itertools

import numpy as np
import pytest
from scipy.spatial import ConvexHull
from sklearn.metrics import det_curve

from local.errors import RecipeError
from local.metrics import convex_hull, equal_error_rate, roc


def random_trials(seed, count=300, ties=False):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    scores = rng.normal(size=count) + labels * rng.uniform(0, 3)
    return (np.round(scores, 1) if ties else scores), labels


def hull_eer_by_scipy(scores, labels):
    """EER of the lower hull of the ROC points, by SciPy's ConvexHull."""
    thresholds = np.append(np.unique(scores), np.inf)
    points = [
        ((scores[labels == 0] >= t).mean(), (scores[labels == 1] < t).mean()) for t in thresholds
    ]
    points = np.array([*points, (1.0, 1.0)])  # a corner that closes the hull above
    hull = points[ConvexHull(points, qhull_options="QJ Pp").vertices] if len(points) > 3 else points
    # The EER is where the hull leaves the diagonal: the least t with (t, t) in the hull.
    best = 1.0
    for (x0, y0), (x1, y1) in itertools.combinations(hull, 2):
        d0, d1 = y0 - x0, y1 - x1
        if d0 * d1 <= 0 and d0 != d1:
            best = min(best, x0 + (x1 - x0) * d0 / (d0 - d1))
    return best


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_convex_hull_against_scipy(seed, ties):
    scores, labels = random_trials(seed, ties=ties)
    eer = equal_error_rate(scores, labels).convex_hull
    assert eer == pytest.approx(hull_eer_by_scipy(scores, labels), abs=1e-6)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_interpolated_against_sklearn(seed, ties):
    scores, labels = random_trials(seed, ties=ties)
    false_alarm, miss, _ = det_curve(labels, scores)
    crossing = np.interp(0, miss - false_alarm, false_alarm)  # the gap rises with the threshold
    assert equal_error_rate(scores, labels).interpolated == pytest.approx(crossing, abs=1e-12)


# targets, non-targets, EER of the hull, interpolated EER: worked out with pencil and paper.
BY_HAND = {
    "separable": ([3, 4], [1, 2], 0.0, 0.0),
    "the wrong way round": ([1, 2], [3, 4], 0.5, 1.0),
    "all scores equal": ([1, 1, 1], [1, 1], 0.5, 0.5),
    # ROC (0,1) (0,1/2) (1/2,1/2) (1/2,0) (1,0); the hull cuts from (0,1/2) to (1/2,0)
    "one swap": ([0.9, 0.4], [0.6, 0.1], 0.25, 0.5),
    # at 2: one of two targets and one of three non-targets together; (0,1/2) to (1/3,0)
    "tie across classes": ([3, 2], [2, 1, 0], 0.2, 0.2),
    # (0,1) (0,2/3) (1/4,1/3) (1/4,0): hull from (0,2/3) to (1/4,0); x = 2/3 - 8/3 x
    "three against four": ([5, 3, 2], [3, 1, 0, 0], 2 / 11, 0.25),
    "one against one": ([1], [0], 0.0, 0.0),
}


@pytest.mark.parametrize("targets, nontargets, hull, interpolated", BY_HAND.values(), ids=BY_HAND)
def test_by_hand(targets, nontargets, hull, interpolated):
    labels = [1] * len(targets) + [0] * len(nontargets)
    eer = equal_error_rate(np.array([*targets, *nontargets], float), labels)
    assert eer.convex_hull == pytest.approx(hull, abs=1e-12)
    assert eer.interpolated == pytest.approx(interpolated, abs=1e-12)
    assert (eer.num_target, eer.num_nontarget) == (len(targets), len(nontargets))


@pytest.mark.parametrize("seed", range(3))
def test_hull_lies_below_the_roc_and_is_convex(seed):
    scores, labels = random_trials(seed, ties=True)
    hull = convex_hull(scores, labels)
    false_alarm, miss = roc(scores, labels)
    assert (np.interp(false_alarm, *hull) <= miss + 1e-12)[false_alarm > 0].all()
    slopes = np.diff(hull[1]) / np.maximum(np.diff(hull[0]), 1e-15)
    assert (np.diff(slopes) >= -1e-9).all()
    assert (hull[0][[0, -1]], hull[1][[0, -1]]) == (pytest.approx([0, 1]), pytest.approx([1, 0]))


def test_weights_repeat_trials():
    scores, labels = random_trials(0, ties=True)
    times = np.random.default_rng(0).integers(1, 4, len(scores))
    repeated = convex_hull(np.repeat(scores, times), np.repeat(labels, times))
    weighted = convex_hull(scores, labels, times.astype(float))
    grid = np.linspace(0.001, 1, 50)
    assert np.interp(grid, *repeated) == pytest.approx(np.interp(grid, *weighted))


def test_unlabelled_trials_are_left_out():
    scores, labels = random_trials(0)
    with_unknown = equal_error_rate([*scores, 9.0, -9.0], [*labels, -1, -1])
    without = equal_error_rate(scores, labels)
    for name in ("convex_hull", "interpolated", "num_target", "num_nontarget"):
        assert getattr(with_unknown, name) == getattr(without, name)


@pytest.mark.parametrize("labels", [[1, 1], [0, 0], [-1, -1]])
def test_one_class_only(labels):
    with pytest.raises(RecipeError, match="an EER needs both kinds"):
        equal_error_rate([0.1, 0.2], labels)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_not_finite(bad):
    with pytest.raises(RecipeError, match="1 of 2 scores are not finite"):
        equal_error_rate([0.1, bad], [1, 0])


def by_speakers(num_speakers, seed):
    """Scores with a strong effect of the speaker: trials that share one are alike."""
    rng = np.random.default_rng(seed)
    effect = rng.normal(size=num_speakers)
    first = rng.integers(0, num_speakers, 2000)
    second = np.where(rng.random(2000) < 0.5, first, rng.integers(0, num_speakers, 2000))
    labels = (first == second).astype(int)
    scores = 2 * labels + effect[first] + effect[second] + 0.3 * rng.normal(size=2000)
    return scores, labels, (first.astype(str), second.astype(str))


def test_interval_holds_the_eer_repeats_and_narrows_with_speakers():
    few, many = by_speakers(8, 0), by_speakers(200, 0)
    eer = equal_error_rate(*few)
    assert eer.interval[0] <= eer.convex_hull <= eer.interval[1]
    assert eer == equal_error_rate(*few)
    assert eer.interval != equal_error_rate(*few, seed=1).interval
    width = np.diff(eer.interval)[0]
    assert np.diff(equal_error_rate(*many).interval)[0] < 0.5 * width


def test_no_interval_from_few_speakers_or_without_errors():
    scores, labels, speakers = by_speakers(4, 0)
    assert "too little for an interval" in str(equal_error_rate(scores, labels, speakers))
    scores, labels, speakers = by_speakers(20, 0)
    perfect = equal_error_rate(labels.astype(float), labels, speakers)
    assert perfect.convex_hull == 0 and "too little for an interval" in str(perfect)
    assert str(perfect).endswith("trials of 20 speakers")


def test_interval_covers_the_truth_about_as_often_as_it_says():
    truth = equal_error_rate(*by_speakers(2000, 99)[:2]).convex_hull
    intervals = [equal_error_rate(*by_speakers(30, seed)).interval for seed in range(20)]
    covered = sum(low <= truth <= high for low, high in intervals)
    assert covered >= 15  # of 20; resampling trials instead would cover far fewer

"""Metrics against scikit-learn, SciPy's convex hull, brute force and hand-computed cases."""

import itertools

import numpy as np
import pytest
from scipy.spatial import ConvexHull
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import det_curve, roc_auc_score

from local.errors import RecipeError
from local.metrics import convex_hull, equal_error_rate, evaluate, roc, summary
from local.scoring.likelihood_ratios import log_likelihood_ratios


def random_trials(seed, count=300, ties=False):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    scores = rng.normal(size=count) + labels * rng.uniform(0, 3)
    return (np.round(scores, 1) if ties else scores), labels


def metric(name, scores, labels):
    return evaluate(scores, labels)["metrics"][name]["value"]


def thresholds(scores):
    return np.append(np.unique(scores), np.inf)


def hull_eer_by_scipy(scores, labels):
    """EER of the lower hull of the ROC points, by SciPy's ConvexHull."""
    points = [
        ((scores[labels == 0] >= t).mean(), (scores[labels == 1] < t).mean())
        for t in thresholds(scores)
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


def pools_by_isotonic_regression(scores, labels):
    """Targets and non-targets of each pool, with scikit-learn's own fit of labels to scores."""
    share = IsotonicRegression().fit_transform(scores, labels)
    values = np.unique(share)[::-1]
    return np.array([[(labels[share == v] == kind).sum() for kind in (1, 0)] for v in values])


ODD = [*itertools.product(range(5), [False, True])]


@pytest.mark.parametrize("seed, ties", ODD)
def test_convex_hull_eer_against_scipy(seed, ties):
    scores, labels = random_trials(seed, ties=ties)
    expected = hull_eer_by_scipy(scores, labels)
    assert equal_error_rate(scores, labels) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("seed, ties", ODD)
def test_convex_hull_eer_and_minimum_cllr_against_isotonic_regression(seed, ties):
    scores, labels = random_trials(seed, ties=ties)
    targets, nontargets = pools_by_isotonic_regression(scores, labels).T
    false_alarm = np.append(0, np.cumsum(nontargets)) / nontargets.sum()
    miss = 1 - np.append(0, np.cumsum(targets)) / targets.sum()
    eer = np.interp(0, false_alarm - miss, false_alarm)
    assert equal_error_rate(scores, labels) == pytest.approx(eer, abs=1e-12)
    # Each pool's likelihood ratio follows from its proportion of targets; Cllr by its formula.
    with np.errstate(divide="ignore"):
        ratio = (targets / targets.sum()) / (nontargets / nontargets.sum())
        of_targets = np.repeat(np.log2(1 + 1 / ratio), targets)
    of_nontargets = np.repeat(np.log2(1 + ratio), nontargets)
    expected = (of_targets.mean() + of_nontargets.mean()) / 2
    assert metric("min_cllr", scores, labels) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed, ties", ODD)
def test_interpolated_eer_and_auc_against_sklearn(seed, ties):
    scores, labels = random_trials(seed, ties=ties)
    false_alarm, miss, _ = det_curve(labels, scores)
    crossing = np.interp(0, miss - false_alarm, false_alarm)  # the gap rises with the threshold
    assert metric("eer_interpolated", scores, labels) == pytest.approx(crossing, abs=1e-12)
    assert metric("auc", scores, labels) == pytest.approx(roc_auc_score(labels, scores))


@pytest.mark.parametrize("p_target", [0.01, 0.05])
@pytest.mark.parametrize("seed, ties", ODD)
def test_min_dcf_against_all_thresholds(seed, ties, p_target):
    scores, labels = random_trials(seed, ties=ties)
    costs = [
        p_target * (scores[labels == 1] < t).mean()
        + (1 - p_target) * (scores[labels == 0] >= t).mean()
        for t in thresholds(scores)
    ]
    expected = min(costs) / min(p_target, 1 - p_target)
    assert metric(f"min_dcf_{p_target}", scores, labels) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_cllr_and_actual_dcf_by_their_formulas(seed):
    llrs, labels = random_trials(seed)
    probabilities = 1 / (1 + np.exp(-llrs))
    targets, nontargets = llrs[labels == 1], llrs[labels == 0]
    expected = np.log2(1 + np.exp(-targets)).mean() / 2 + np.log2(1 + np.exp(nontargets)).mean() / 2
    assert metric("cllr", probabilities, labels) == pytest.approx(expected)
    miss, false_alarm = (targets < np.log(99)).mean(), (nontargets >= np.log(99)).mean()
    expected = miss + 99 * false_alarm
    assert metric("act_dcf_0.01", probabilities, labels) == pytest.approx(expected)


def test_scores_that_are_no_probabilities_have_no_cllr():
    scores, labels = random_trials(0)
    assert not {"cllr", "act_dcf_0.01"} & set(evaluate(scores, labels)["metrics"])


def test_certain_probabilities_have_finite_ratios():
    llrs = log_likelihood_ratios(np.array([0.0, 0.5, 1.0]))
    assert np.isfinite(llrs).all() and llrs[0] < -36 and llrs[1] == 0 and llrs[2] > 36


# targets, non-targets, EER of the hull, interpolated EER, minimum Cllr: with pencil and paper.
BY_HAND = {
    "separable": ([3, 4], [1, 2], 0.0, 0.0, 0.0),
    "the wrong way round": ([1, 2], [3, 4], 0.5, 1.0, 1.0),
    "all scores equal": ([1, 1, 1], [1, 1], 0.5, 0.5, 1.0),
    # ROC (0,1) (0,1/2) (1/2,1/2) (1/2,0) (1,0); the hull cuts from (0,1/2) to (1/2,0)
    "one swap": ([0.9, 0.4], [0.6, 0.1], 0.25, 0.5, 0.5),
    # at 2: one of two targets and one of three non-targets together; (0,1/2) to (1/3,0)
    "tie across classes": ([3, 2], [2, 1, 0], 0.2, 0.2, None),
    # (0,1) (0,2/3) (1/4,1/3) (1/4,0): hull from (0,2/3) to (1/4,0); x = 2/3 - 8/3 x
    "three against four": ([5, 3, 2], [3, 1, 0, 0], 2 / 11, 0.25, None),
    "one against one": ([1], [0], 0.0, 0.0, 0.0),
    "one against one, reversed": ([0], [1], 0.5, 1.0, 1.0),
    "one against one, equal": ([1], [1], 0.5, 0.5, 1.0),
}


@pytest.mark.parametrize(
    "targets, nontargets, hull, interpolated, min_cllr", BY_HAND.values(), ids=BY_HAND
)
def test_by_hand(targets, nontargets, hull, interpolated, min_cllr):
    labels = [1] * len(targets) + [0] * len(nontargets)
    evaluation = evaluate(np.array([*targets, *nontargets], float), labels)
    values = {name: entry["value"] for name, entry in evaluation["metrics"].items()}
    assert values["eer"] == pytest.approx(hull, abs=1e-12)
    assert values["eer_interpolated"] == pytest.approx(interpolated, abs=1e-12)
    if min_cllr is not None:
        assert values["min_cllr"] == pytest.approx(min_cllr, abs=1e-12)
    counts = (evaluation["trials"]["target"], evaluation["trials"]["nontarget"])
    assert counts == (len(targets), len(nontargets))
    assert values["min_dcf_0.01"] <= 1


def test_separable_scores_have_no_error_at_all():
    scores, labels = np.array([0.9, 0.8, 0.2, 0.1]), np.array([1, 1, 0, 0])
    for name in ("eer", "eer_interpolated", "min_dcf_0.01", "min_dcf_0.05", "min_cllr"):
        assert metric(name, scores, labels) == 0
    assert metric("auc", scores, labels) == 1


@pytest.mark.parametrize("seed", range(3))
def test_hull_lies_below_the_roc_and_is_convex(seed):
    false_alarm, miss = roc(*random_trials(seed, ties=True))
    hull = convex_hull(false_alarm, miss)
    assert (np.interp(false_alarm, *hull) <= miss + 1e-12)[false_alarm > 0].all()
    slopes = np.diff(hull[1]) / np.maximum(np.diff(hull[0]), 1e-15)
    assert (np.diff(slopes) >= -1e-9).all()
    assert (hull[0][[0, -1]], hull[1][[0, -1]]) == (pytest.approx([0, 1]), pytest.approx([1, 0]))


def test_weights_repeat_trials():
    scores, labels = random_trials(0, ties=True)
    times = np.random.default_rng(0).integers(0, 4, len(scores))
    repeated = roc(np.repeat(scores, times), np.repeat(labels, times))
    weighted = roc(scores, labels, times.astype(float))
    points = [
        set(zip(*(side.round(9).tolist() for side in r), strict=True)) for r in (repeated, weighted)
    ]
    assert points[0] == points[1]


def test_order_of_the_trials_does_not_matter():
    scores, labels = random_trials(1, ties=True)
    order = np.random.default_rng(0).permutation(len(scores))
    assert evaluate(scores, labels) == evaluate(scores[order], labels[order])


def test_unlabelled_trials_are_left_out():
    scores, labels = random_trials(0)
    with_unknown = evaluate([*scores, 9.0, -9.0], [*labels, -1, -1])
    without = evaluate(scores, labels)
    assert with_unknown["metrics"] == without["metrics"]
    assert with_unknown["trials"] == {**without["trials"], "unlabelled": 2}


@pytest.mark.parametrize("labels", [[1, 1], [0, 0], [-1, -1]])
def test_one_class_only(labels):
    with pytest.raises(RecipeError, match="an EER needs both kinds"):
        equal_error_rate([0.1, 0.2], labels)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_not_finite(bad):
    with pytest.raises(RecipeError, match="1 of 2 scores are not finite"):
        evaluate([0.1, bad], [1, 0])


def test_summary_tells_what_the_eer_rests_on():
    scores, labels = random_trials(2)
    line = summary(evaluate(scores, labels))
    assert line.startswith(f"EER {equal_error_rate(scores, labels):.2%} (convex hull), ")
    assert line.endswith(f"{labels.sum()} target and {(1 - labels).sum()} non-target trials")

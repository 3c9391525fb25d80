"""What the pictures and tables of the report are drawn from, against other implementations."""

from types import SimpleNamespace

import numpy as np
from scipy.stats import norm
from sklearn.calibration import calibration_curve

from local.metrics import roc
from local.metrics.det import LIMITS, deviates, thin
from local.report.page import worst_trials
from local.report.projection import flatten
from local.report.scores import as_llrs, reliability
from local.scoring.trials import TrialList


def test_worst_trials_against_a_loop():
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(-1, 2, 60), rng.random(60).round(2)
    names = [f"a/b/{number}" for number in range(60)]
    scored = SimpleNamespace(trials=TrialList(labels, names, names[::-1]), scores=scores)
    worst = worst_trials(scored, 3)
    rows = list(zip(scores.tolist(), names, names[::-1], labels, strict=True))
    targets = sorted((row[:3] for row in rows if row[3] == 1), key=lambda row: row[0])
    nontargets = sorted((row[:3] for row in rows if row[3] == 0), key=lambda row: -row[0])
    assert worst == {"non-target": nontargets[:3], "target": targets[:3]}


def test_reliability_against_scikit_learn():
    rng = np.random.default_rng(1)
    scores = rng.uniform(0.01, 0.99, 400)
    labels = (rng.random(400) < scores).astype(int)
    surplus = np.flatnonzero(labels == labels.mean().round())[: abs(400 - 2 * labels.sum())]
    scores, labels = np.delete(scores, surplus), np.delete(labels, surplus)
    assert labels.mean() == 0.5  # where the probability at even prior is that in the list
    observed, predicted = calibration_curve(labels, scores, n_bins=10)
    points = np.array(reliability(scores, labels))
    np.testing.assert_allclose(points[:, 0], predicted, rtol=1e-9)
    np.testing.assert_allclose(points[:, 1], observed, rtol=1e-9)
    assert (points[:, 2] <= observed).all() and (observed <= points[:, 3]).all()
    assert points[:, 4].sum() == len(labels)


def test_perfect_calibration_holds_at_any_share_of_targets():
    """Log-likelihood ratios of two normal distributions, 4 % of the trials targets."""
    rng = np.random.default_rng(2)
    labels = (rng.random(50_000) < 0.04).astype(int)
    llrs = rng.normal(np.where(labels == 1, 4.0, -4.0), np.sqrt(8.0))
    points = np.array(reliability(1 / (1 + np.exp(-llrs)), labels))
    inside = (points[:, 2] <= points[:, 0]) & (points[:, 0] <= points[:, 3])
    assert inside.sum() >= len(points) - 1


def test_llrs_of_probabilities_stay_finite():
    assert as_llrs([0.0, 0.5, 1.0]).tolist() == [-15.0, 0.0, 15.0]


def test_thin_curve_is_the_same_to_the_eye():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 50_000)
    false_alarm, miss = roc(rng.normal(labels * 2.0), labels)
    kept = thin(false_alarm, miss)
    assert len(kept) <= 1001 and (np.diff(kept) > 0).all()
    x, y = deviates(false_alarm, miss)
    width = np.diff(norm.ppf(LIMITS))[0]
    shown = (x > norm.ppf(LIMITS[0])) & (x < norm.ppf(LIMITS[1])) & (y < norm.ppf(LIMITS[1]))
    off = np.abs(np.interp(x[shown], x[kept], y[kept]) - y[shown])
    assert off.max() < 3 * width / 400  # a third of a millimetre on a phone


def test_map_is_seeded_and_separates_speakers():
    rng = np.random.default_rng(4)
    vectors = np.repeat(rng.normal(size=(2, 8)), 15, axis=0) + 0.05 * rng.normal(size=(30, 8))
    points = flatten(vectors)
    np.testing.assert_array_equal(points, flatten(vectors))
    first, second = points[:15], points[15:]
    spread = max(np.ptp(first, axis=0).max(), np.ptp(second, axis=0).max())
    assert np.linalg.norm(first.mean(axis=0) - second.mean(axis=0)) > spread

"""Intervals over speakers: do they hold the truth as often as they say?"""

import numpy as np
import pytest

from local.metrics import compare, evaluate, summary
from local.metrics.bootstrap import number_speakers, speaker_weights
from local.metrics.labelled_trials import LabelledTrials
from local.metrics.tables import evaluation_table


def by_speakers(num_speakers, seed, num_trials=2000):
    """Scores with a strong effect of the speaker: trials that share one are alike."""
    rng = np.random.default_rng(seed)
    effect, own = rng.normal(size=(2, num_speakers)) * [[0.5], [0.7]]
    first = rng.integers(0, num_speakers, num_trials)
    other = (first + rng.integers(1, num_speakers, num_trials)) % num_speakers
    labels = (rng.random(num_trials) < 0.3).astype(int)
    second = np.where(labels == 1, first, other)
    scores = effect[first] + np.where(labels == 1, 2.5 + own[first], effect[second])
    scores += 0.8 * rng.normal(size=num_trials)
    return 1 / (1 + np.exp(1 - scores)), labels, (first.astype(str), second.astype(str))


@pytest.mark.long
def test_intervals_cover_the_truth_as_often_as_they_say():
    many = [LabelledTrials(*by_speakers(3000, seed, 300_000)[:2]).metrics() for seed in (1, 2)]
    sets = [
        evaluate(*by_speakers(25, seed, 1000), num_bootstrap=100)["metrics"]
        for seed in range(100, 300)
    ]
    for name in (
        "eer",
        "eer_interpolated",
        "min_dcf_0.05",
        "act_dcf_0.05",
        "cllr",
        "min_cllr",
        "auc",
    ):
        truth = np.mean([of_list[name] for of_list in many])
        covered = np.mean([found[name]["low"] <= truth <= found[name]["high"] for found in sets])
        assert 0.90 <= covered <= 0.99, name


def test_resampling_trials_instead_would_be_too_sure():
    """What the module is there for: with speaker effects, trials are no independent draws."""
    truth = LabelledTrials(*by_speakers(3000, 1, 300_000)[:2]).metrics()["cllr"]
    covered = 0
    for seed in range(100, 160):
        scores, labels, _ = by_speakers(25, seed, 1000)
        trials, rng = LabelledTrials(scores, labels), np.random.default_rng(seed)
        draws = (rng.multinomial(1000, np.full(1000, 1e-3)).astype(float) for _ in range(50))
        values = [trials.metrics(weights)["cllr"] for weights in trials.usable(draws)]
        covered += np.percentile(values, 2.5) <= truth <= np.percentile(values, 97.5)
    assert covered < 0.75 * 60


def test_interval_holds_the_value_repeats_and_narrows_with_speakers():
    few, many = by_speakers(8, 0), by_speakers(200, 0)
    evaluation = evaluate(*few)
    for name in ("eer", "eer_interpolated", "min_dcf_0.05", "cllr", "min_cllr", "auc"):
        entry = evaluation["metrics"][name]
        assert entry["low"] <= entry["value"] <= entry["high"]
    assert evaluation == evaluate(*few)
    assert evaluation["metrics"] != evaluate(*few, seed=1)["metrics"]

    def width(entry):
        return entry["high"] - entry["low"]

    narrow = evaluate(*many)["metrics"]["eer"]
    assert width(narrow) < 0.5 * width(evaluation["metrics"]["eer"])


def test_weights_are_those_of_the_drawn_speakers():
    first, second = np.array(list("aaab")), np.array(list("abcc"))
    speakers = [np.append(side, list("defg")) for side in (first, second)]
    num_speakers, rows = number_speakers(speakers, np.ones(8, dtype=bool))
    assert num_speakers == 7
    draws = list(speaker_weights(rows, num_speakers, 50, seed=0))
    assert len(draws) == 50
    drawn = np.array([[weights[0], *weights[4:]] for weights in draws])  # a, d, e, f, g
    assert (drawn.sum(axis=1) <= 7).all() and drawn.max() > 1  # of seven speakers
    for weights in draws:  # a-b times a-c... : products of the counts of two speakers
        a, ab, ac, bc = weights[:4]
        assert ab * ac == a * a * bc


def test_no_interval_from_few_speakers_or_without_errors():
    assert "too little for an interval" in summary(evaluate(*by_speakers(4, 0)))
    scores, labels, speakers = by_speakers(20, 0)
    perfect = evaluate(labels.astype(float), labels, speakers)
    assert perfect["metrics"]["eer"] == {"value": 0.0, "low": None, "high": None}
    assert summary(perfect).endswith("trials of 20 speakers")
    none = evaluate(scores, labels, speakers, num_bootstrap=0)
    assert none["metrics"]["eer"]["low"] is None


def test_paired_differences():
    scores, labels, speakers = by_speakers(30, 3)
    rng = np.random.default_rng(0)
    worse = scores + rng.normal(size=len(scores))
    like = scores + 1e-3 * rng.normal(size=len(scores))
    of_worse, of_like = compare([scores, worse, like], labels, speakers)
    assert of_worse["eer"]["low"] > 0
    assert of_worse["auc"]["high"] < 0
    assert of_like["eer"]["low"] <= 0 <= of_like["eer"]["high"]
    # Pairing counts: the difference of two alike systems is known far better than either.
    alone = evaluate(scores, labels, speakers)["metrics"]["eer"]
    paired = of_like["eer"]["high"] - of_like["eer"]["low"]
    assert paired < 0.2 * (alone["high"] - alone["low"])
    values = [evaluate(of, labels)["metrics"]["eer"]["value"] for of in (scores, worse)]
    assert of_worse["eer"]["value"] == pytest.approx(values[1] - values[0])


@pytest.mark.parametrize(
    ("num_speakers", "resamples", "why"),
    [
        (4, 200, "no interval: too few speakers"),
        (8, 1, "no interval: it takes more resamples of the speakers (num_bootstrap)"),
        (8, 50, "no interval: the resamples of the speakers do not differ"),
        (None, 1, "no interval: the speakers are not known"),
    ],
)
def test_why_there_is_no_interval(num_speakers, resamples, why):
    first, second = np.triu_indices(num_speakers or 8)
    labels, speakers = (first == second).astype(int), (first, second) if num_speakers else None
    lines = evaluation_table(evaluate(labels, labels, speakers, num_bootstrap=resamples))
    assert why in " ".join(lines)

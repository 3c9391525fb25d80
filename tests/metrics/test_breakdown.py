"""Errors by group: do the groups hold the trials that they name?"""

import numpy as np
import pytest

from local.metadata import SpeakerInfo
from local.metrics import equal_error_rate
from local.metrics.breakdown import breakdown

PEOPLE = {
    "a": SpeakerInfo("female", "USA", "known"),
    "b": SpeakerInfo("female", "India", "known"),
    "c": SpeakerInfo("male", "USA", "unknown"),
    "d": SpeakerInfo("male", "", "unknown"),
}


@pytest.fixture(scope="module")
def trials():
    rng = np.random.default_rng(0)
    first, second = rng.choice(list("abcd"), (2, 400))
    labels = (first == second).astype(int)
    scores = 0.5 + 0.1 * labels + 0.1 * rng.normal(size=400)
    # Errors of the women are many: what a breakdown is to show.
    scores[(first == "a") & (labels == 1)] -= 0.15
    return scores, labels, (first, second)


def found(entries, by):
    return {entry["group"]: entry for entry in entries if entry["by"] == by}


def test_groups_by_sex(trials):
    scores, labels, (first, second) = trials
    groups = found(breakdown(*trials, people=PEOPLE, accepted=scores >= 0.55), "sex")
    assert list(groups) == ["female-female", "female-male", "male-male"]
    women = np.isin(first, ["a", "b"]) & np.isin(second, ["a", "b"])
    entry = groups["female-female"]
    assert entry["eer"]["value"] == equal_error_rate(scores[women], labels[women])
    assert entry["target"] == (women & (labels == 1)).sum()
    missed, wrong = scores[women & (labels == 1)] < 0.55, scores[women & (labels == 0)] >= 0.55
    assert (entry["miss"], entry["false_alarm"]) == pytest.approx((missed.mean(), wrong.mean()))
    assert entry["miss"] > 1.5 * groups["male-male"]["miss"]
    mixed = groups["female-male"]
    assert (mixed["target"], mixed["eer"], mixed["miss"]) == (0, None, None)
    assert sum(entry["target"] + entry["nontarget"] for entry in groups.values()) == 400


def test_other_groups(trials):
    frames = [np.full(400, 3 * 16000), np.where(np.arange(400) < 100, 16000, 10 * 16000)]
    entries = breakdown(*trials, people=PEOPLE, num_frames=frames)
    nations = found(entries, "nationality")
    assert list(nations) == ["India", "USA", "two nationalities"]  # of d none is known
    assert nations["USA"]["speakers"] == 2
    known = found(entries, "speaker")
    assert list(known) == ["known-known", "known-unknown", "unknown-unknown"]
    spans = found(entries, "duration")
    assert {name: e["target"] + e["nontarget"] for name, e in spans.items()} == {
        "under 2 s": 100,
        "2 to 4 s": 300,
    }


def test_nothing_known_nothing_broken_down(trials):
    assert breakdown(*trials) == []
    assert breakdown(*trials, people={}) == []


def test_default_threshold_is_that_of_the_eer(trials):
    entries = breakdown(*trials, people={name: SpeakerInfo("male", "", "") for name in "abcd"})
    (entry,) = entries
    assert entry["miss"] <= entry["false_alarm"] + 1e-12
    assert abs(entry["miss"] - entry["false_alarm"]) < 0.05

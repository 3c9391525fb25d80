"""Errors by group: do the groups hold the trials that they name?"""

import json
import re
import sys

import numpy as np
import pytest

from local.metadata import SpeakerInfo
from local.metrics import equal_error_rate
from local.metrics.__main__ import main
from local.metrics.breakdown import breakdown, untold

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


TRIALS = "".join(f"1 10{s}/x/0 10{s}/x/1\n0 10{s}/x/0 10{s + 1}/x/0\n" for s in range(1, 7))
TABLES = {  # what a table has for the speakers 101 to 107, and what is said of it
    "".join(f"0{s},f\n" for s in range(101, 108)): "0 of 7 speakers are in .*, first missing 101, ",
    "".join(f"id{s},f\n" for s in range(101, 108)): ".* where ids are id101, id102, …: write the",
    "": "0 of 7 speakers are in .* where ids are none",
    "".join(f"{s},f\n" for s in range(103, 108)): "5 of 7 speakers .*, first missing 101, 102",
}


@pytest.mark.parametrize("rows", TABLES, ids=["zero", "prefix", "head", "some"])
def test_speakers_that_a_table_does_not_tell_of_are_counted(rows, tmp_path, monkeypatch, capsys):
    (tmp_path / "trials.txt").write_text(TRIALS)
    scored = [f"0.{n} {line.split(maxsplit=1)[1]}\n" for n, line in enumerate(TRIALS.splitlines())]
    (tmp_path / "scores.txt").write_text("".join(scored))
    (tmp_path / "meta.csv").write_text(f"id,gender\n{rows}")
    monkeypatch.chdir(tmp_path)
    options = ["--scores", "scores.txt", "--trials", "trials.txt", "--meta", "meta.csv"]
    for extra in ([], ["--json"]):
        monkeypatch.setattr(sys, "argv", ["metrics", *options, *extra])
        if "5 of 7" in TABLES[rows]:
            main()
            said = capsys.readouterr().out
            assert "female-female" in said
            said = json.loads(said)[0]["remarks"] if extra else said
        else:
            with pytest.raises(SystemExit):
                main()
            said = capsys.readouterr().err
            assert said.count("\n") == 1
        assert re.search(TABLES[rows], said)


def test_a_table_is_told_to_say_nothing_of_speakers_without_names():
    assert "tell no speakers, so nothing of meta.csv" in untold({}, None, "meta.csv")
    assert untold({"a": None}, (["a"], ["a"]), "meta.csv") == ""

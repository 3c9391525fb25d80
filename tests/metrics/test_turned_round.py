"""Scores that mean the opposite get a hint; those that may be chance do not."""

import subprocess

import numpy as np
import pytest

from conftest import RECIPE
from local.metrics import evaluate, summary
from local.metrics.evaluation import TURNED_ROUND, compare
from local.metrics.tables import comparison_table, evaluation_table
from local.scoring.score_list import write_scores
from local.scoring.trials import read_trials
from local.training.loggers import log_test
from warm_python import warm_python

NAMES = [f"s{number}" for number in range(12)]
SIDES = [(a, b) for a in NAMES for b in NAMES for _ in range(3)]
LABELS = np.array([int(a == b) for a, b in SIDES])
SPEAKERS = list(zip(*SIDES, strict=True))


def scored(shift, speakers=SPEAKERS, num_bootstrap=50):
    scores = shift * LABELS + np.random.default_rng(0).normal(size=len(LABELS))
    return evaluate(scores, LABELS, speakers, num_bootstrap=num_bootstrap)


@pytest.mark.parametrize("shift", [-1.5, -3.0, -100.0, -0.1, 0.0, 0.1, 3.0])
@pytest.mark.parametrize("options", [{}, {"speakers": None}, {"num_bootstrap": 0}])
def test_hint_where_targets_score_lower_beyond_chance(shift, options):
    evaluation = scored(shift, **options)
    hinted = TURNED_ROUND in summary(evaluation)
    assert hinted == (shift < -1)
    assert hinted == (TURNED_ROUND in list(evaluation_table(evaluation)))


def test_no_hint_where_the_interval_includes_half():
    for seed in range(20):
        scores = np.random.default_rng(seed).normal(size=len(LABELS)) - 0.15 * LABELS
        evaluation = evaluate(scores, LABELS, SPEAKERS, num_bootstrap=50)
        eer = evaluation["metrics"]["eer_interpolated"]
        assert (TURNED_ROUND in summary(evaluation)) == (eer["low"] > 0.5)


@pytest.mark.parametrize("labels, hinted", [([0, 1], False), ([0, 0, 1, 1], False)])
def test_a_handful_of_trials_may_be_chance(labels, hinted):
    evaluation = evaluate(np.arange(len(labels), 0, -1.0) * -1, 1 - np.array(labels))
    assert (TURNED_ROUND in summary(evaluation)) == hinted
    many = np.repeat(labels, 10)
    assert TURNED_ROUND in summary(evaluate(-np.arange(len(many)), np.sort(many)))


def test_systems_side_by_side():
    right, wrong = (shift * LABELS + np.random.default_rng(0).normal(size=len(LABELS))
                    for shift in (3, -3))  # fmt: skip
    found = [evaluate(scores, LABELS, SPEAKERS, num_bootstrap=20) for scores in (right, wrong)]
    differences = compare([right, wrong], LABELS, SPEAKERS, num_bootstrap=20)
    lines = list(comparison_table(["1 right", "2 wrong"], found, differences))
    assert lines[-1] == f"2 wrong: {TURNED_ROUND}" and "hint" not in lines[-2]


def test_in_the_command_and_in_the_log_of_a_training(small, tmp_path, caplog):
    dev = read_trials(small.corpus / "dev_trials.txt")
    write_scores(tmp_path / "s.txt", [(dev, np.where(dev.labels == 1, 0.2, 0.8))])
    command = [warm_python(), "-m", "local.metrics", "--scores", tmp_path / "s.txt"]
    command += ["--trials", dev.path]
    answer = subprocess.run(command, cwd=RECIPE, capture_output=True, text=True)
    assert answer.returncode == 0 and TURNED_ROUND in answer.stdout
    with caplog.at_level("INFO"):
        log_test([], {}, 0.5, summary(evaluate(1.0 - dev.labels, dev.labels, dev.speakers())))
    assert TURNED_ROUND in caplog.text

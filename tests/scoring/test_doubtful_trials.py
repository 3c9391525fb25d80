"""Trials of an utterance with itself, and trials that come again: said, and no better EER."""

import json
import logging
import sys

import numpy as np
import pytest

from local.metrics import evaluate
from local.metrics.__main__ import main
from local.scoring import fusion
from local.scoring.score_list import check_scores, write_scores
from local.scoring.trial_scores import read_labelled_trials
from local.scoring.trials import read_trials

SPEAKERS = "abcdefgh"
PAIRS = [
    (int(a == b), f"{a}/x/{i}", f"{b}/y/{j}")
    for a in SPEAKERS
    for b in SPEAKERS
    for i in (0, 1)
    for j in (0, 1)
]
OWN = [(1, f"{a}/x/{i}", spelt.format(a, i)) for a in SPEAKERS for i, spelt in
       ((0, "{}/x/{}"), (1, "./{}/x/{}.WAV"))] * 4  # fmt: skip


def write(folder, pairs):
    path = folder / "trials.txt"
    path.write_text("".join(f"{label} {a} {b}\n" for label, a, b in pairs))
    return path


@pytest.fixture
def files(tmp_path):
    """A list with self-trials, and scores that get these right and others badly."""
    path = write(tmp_path, PAIRS + OWN)
    trials = read_trials(path, self_trials=True)
    rng = np.random.default_rng(0)
    scores = (0.4 + 0.2 * trials.labels + 0.15 * rng.normal(size=len(trials))).clip(0, 1)
    scores[len(PAIRS) :] = 1.0
    write_scores(tmp_path / "scores.txt", [(trials, scores)])
    return path, tmp_path / "scores.txt", scores


def metrics(monkeypatch, capsys, files, *options):
    argv = ["metrics", "--scores", str(files[1]), "--trials", str(files[0]), *options]
    monkeypatch.setattr(sys, "argv", argv)
    main()
    return capsys.readouterr().out


def test_self_trials_count_only_where_that_is_asked(files, monkeypatch, capsys):
    _, _, scores = files
    expected = evaluate(scores[: len(PAIRS)], [label for label, _, _ in PAIRS])["metrics"]["eer"]
    (result,) = json.loads(metrics(monkeypatch, capsys, files, "--json"))
    eer = result["evaluation"]["metrics"]["eer"]["value"]
    assert eer == pytest.approx(expected["value"])
    assert result["evaluation"]["trials"]["unlabelled"] == len(OWN)
    (result,) = json.loads(metrics(monkeypatch, capsys, files, "--json", "--self_trials_count"))
    assert result["evaluation"]["metrics"]["eer"]["value"] < eer / 1.3
    assert "counted as any other" in result["remarks"]


def test_their_number_is_said(files, monkeypatch, capsys, caplog):
    said = f"{len(OWN)} trials of an utterance with itself (left out of the metrics)"
    assert said in metrics(monkeypatch, capsys, files)
    assert f"{said}; {len(OWN) * 3 // 4} trials repeated" in caplog.text


def test_the_score_list_still_has_a_line_a_trial(files):
    path, scores, _ = files
    assert len(scores.read_text().splitlines()) == len(PAIRS) + len(OWN)
    assert check_scores(scores, [read_trials(path)]) == {}


@pytest.mark.parametrize(
    "again, number",
    [
        ([], 0),
        (PAIRS[:3], 3),
        ([PAIRS[5]] * 4, 4),
        ([(label, b, a) for label, a, b in PAIRS[:7]], 7),
        ([(label, f"/d/wav/{a}.wav", b.replace("/", "\\")) for label, a, b in PAIRS[:2]], 2),
    ],
)
def test_repeated_trials_are_said_and_counted(tmp_path, again, number):
    trials = read_trials(write(tmp_path, PAIRS + again))
    assert (trials.labels >= 0).all() and len(trials) == len(PAIRS) + number
    s = "s" if number > 1 else ""
    assert trials.remarks.startswith(f"{number} trial{s} repeated" if number else "")


def test_repeated_trials_with_another_label(tmp_path):
    (tmp_path / "trials.txt").write_text("1 d045 2749\n0 2749 d045\n-1 2749 d045\n")
    assert "2 trials repeated, in either order" in read_trials(tmp_path / "trials.txt").remarks
    assert "1 with another label than before" in read_trials(tmp_path / "trials.txt").remarks


def test_trainings_and_fusions_leave_them_out(files, capsys, monkeypatch, caplog, tmp_path):
    path, scores, _ = files
    keys = {name for _, *pair in PAIRS for name in pair}
    assert (read_labelled_trials(path, keys).labels >= 0).sum() == len(PAIRS)
    argv = ["fusion", "--scores", str(scores), str(scores), "--trials", str(path)]
    monkeypatch.setattr(sys, "argv", [*argv, "--out", str(tmp_path / "fused.txt")])
    with caplog.at_level(logging.WARNING):
        fusion.main()
    assert f"over {len(PAIRS)} labelled trials" in capsys.readouterr().out
    assert len((tmp_path / "fused.txt").read_text().splitlines()) == len(PAIRS) + len(OWN)
    assert f"{len(OWN)} trials of an utterance with itself" in caplog.text

"""Fusion of systems: weights, what goes into the fit, and lists that do not match."""

import re
import sys
import warnings

import numpy as np
import pytest
from scipy.special import expit, logit

from local.errors import RecipeError
from local.scoring.calibration import cross_validated_llrs, fit_calibration
from local.scoring.fusion import fuse, main, read_systems, report
from local.scoring.likelihood_ratios import cllr
from local.scoring.score_list import check_scores, read_scores
from local.scoring.trials import read_trials


@pytest.fixture(scope="module")
def systems(tmp_path_factory):
    """Two systems with errors of their own over dev trials with and eval trials without labels."""
    folder = tmp_path_factory.mktemp("systems")
    rng = np.random.default_rng(0)
    names = [f"id{speaker}/v/{utterance}" for speaker in range(12) for utterance in range(6)]
    enrol, test = np.triu_indices(len(names), 1)
    pairs = [(names[a], names[b]) for a, b in zip(enrol, test, strict=True)]
    labels = np.array([int(a.split("/")[0] == b.split("/")[0]) for a, b in pairs])
    hashes = [(f"{number:08x}", f"{number + 1:08x}") for number in range(300)]
    lines = [f"{label} {a} {b}\n" for label, (a, b) in zip(labels, pairs, strict=True)]
    (folder / "dev_trials.txt").write_text("".join(lines))
    (folder / "eval_trials_no_gt.txt").write_text("".join(f"-1 {a} {b}\n" for a, b in hashes))
    truth = np.concatenate([labels, rng.integers(0, 2, 300)])
    for system, spread in (("A", 0.7), ("B", 1.0)):
        scores = expit(truth - 0.5 + spread * rng.normal(size=len(truth)))
        write(folder / f"{system}.txt", scores, pairs + hashes)
    lists = [read_trials(folder / f"{name}.txt") for name in ("dev_trials", "eval_trials_no_gt")]
    return folder, lists, labels


def write(path, scores, pairs):
    lines = (f"{float(s)} {a} {b}\n" for s, (a, b) in zip(scores, pairs, strict=True))
    path.write_text("".join(lines))


def run(
    monkeypatch, folder, *names, trials="dev_trials.txt,eval_trials_no_gt.txt", out="fused.txt"
):
    lists = ",".join(str(folder / name) for name in trials.split(","))
    scores = [str(folder / name) for name in names]
    argv = ["fusion", "--scores", *scores, "--trials", lists, "--out", str(folder / out)]
    monkeypatch.setattr(sys, "argv", argv)
    main()
    return folder / out


def test_command_line(systems, monkeypatch, capsys):
    folder, lists, labels = systems
    path = run(monkeypatch, folder, "A.txt", "B.txt")
    printed = capsys.readouterr().out
    assert check_scores(path, lists) == {}
    fused = read_scores(path)[0]
    raw = [read_scores(folder / f"{system}.txt")[0] for system in "AB"]
    columns = logit(np.stack(raw, axis=1))
    dev = len(lists[0])
    expected = cross_validated_llrs(columns[:dev], labels, lists[0].speakers())
    assert logit(fused[:dev]) == pytest.approx(expected, abs=1e-6)
    full = fit_calibration(columns[:dev], labels)
    assert logit(fused[dev:]) == pytest.approx(full(columns[dev:]), abs=1e-6)
    assert (
        f"A.txt: weight {full.weights[0]:.3f}, Cllr {cllr(columns[:dev, 0], labels):.4f}" in printed
    )
    assert f"fused: Cllr {cllr(expected, labels):.4f} over {dev} labelled trials" in printed


def test_fusion_is_better_than_its_parts_and_weighs_them_by_their_worth(systems):
    folder, lists, labels = systems
    scores = read_systems([folder / "A.txt", folder / "B.txt"], lists)
    fusion, llrs = fuse(scores, lists)
    assert fusion.weights[0] > fusion.weights[1] > 0
    parts = [fuse(column[:, None], lists)[1][: len(labels)] for column in scores.T]
    known = cllr(llrs[: len(labels)], labels)
    assert known < min(cllr(part, labels) for part in parts) - 0.05
    # Gaussian scores with errors that are independent: the best weights are 1 / variance.
    assert fusion.weights == pytest.approx([1 / 0.7**2, 1.0], rel=0.25)


def test_the_fit_never_sees_trials_without_label(systems):
    _, lists, labels = systems
    scores = read_systems([systems[0] / "A.txt", systems[0] / "B.txt"], lists)
    fusion, llrs = fuse(scores, lists)
    spoilt = scores.copy()
    spoilt[len(labels) :] = 1e3 * np.random.default_rng(1).normal(size=(300, 2))
    other, other_llrs = fuse(spoilt, lists)
    assert other == fusion
    assert (other_llrs[: len(labels)] == llrs[: len(labels)]).all()
    alone, alone_llrs = fuse(scores[: len(labels)], lists[:1])
    assert alone == fusion and (alone_llrs == llrs[: len(labels)]).all()
    backwards = np.concatenate([scores[len(labels) :], scores[: len(labels)]])
    assert (fuse(backwards, lists[::-1])[1][300:] == llrs[: len(labels)]).all()


def test_lists_in_another_order_and_scores_of_other_kinds(systems, tmp_path):
    folder, lists, _ = systems
    scores, enrol, test = read_scores(folder / "A.txt")
    pairs = list(zip(enrol, test, strict=True))
    order = np.random.default_rng(0).permutation(len(pairs))
    write(tmp_path / "shuffled.txt", scores[order], [pairs[row] for row in order])
    write(tmp_path / "raw.txt", logit(scores), pairs)
    write(tmp_path / "hard.txt", scores.round(), pairs)
    found = read_systems([folder / "A.txt", *sorted(tmp_path.iterdir())], lists)
    assert found[:, 2] == pytest.approx(found[:, 0])  # raw.txt: not in [0, 1], taken as it is
    assert (found[:, 3] == found[:, 0]).all()
    assert np.isfinite(found).all()
    assert np.isfinite(fuse(found, lists)[1]).all()


def test_one_system_is_calibrated(systems):
    folder, lists, labels = systems
    scores = read_systems([folder / "A.txt"], lists)
    lines, llrs = report(["A.txt"], scores, lists)
    assert cllr(llrs[: len(labels)], labels) < cllr(scores[: len(labels), 0], labels)
    assert len(lines) == 2


def test_lists_of_other_trials(systems, tmp_path):
    folder, lists, _ = systems
    content = (folder / "B.txt").read_text().splitlines()
    for name, lines, message in [
        ("short", content[2:], "2 of 2856 trials have no score, first id0/v/0 id0/v/1;"),
        ("twice", [*content, "0.123 id0/v/0 id0/v/1"], "two different scores for id0/v/0 id0/v/1"),
    ]:
        (tmp_path / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
        with pytest.raises(RecipeError, match=f"{name}.txt: {message}"):
            read_systems([folder / "A.txt", tmp_path / f"{name}.txt"], lists)
    # More trials in another order, and sides that are swapped, are no harm.
    swapped = (" ".join((score, b, a)) for score, a, b in map(str.split, content))
    (tmp_path / "swapped.txt").write_text("".join(f"{line}\n" for line in swapped))
    (tmp_path / "long.txt").write_text("".join(f"{line}\n" for line in ["0.5 x y", *content[::-1]]))
    found = [
        read_systems([folder / "A.txt", path], lists)
        for path in (folder / "B.txt", tmp_path / "long.txt", tmp_path / "swapped.txt")
    ]
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])


def test_errors_in_one_line(systems, monkeypatch, capsys):
    folder, lists, _ = systems
    with pytest.raises(SystemExit):
        run(monkeypatch, folder, "A.txt", "B.txt", trials="eval_trials_no_gt.txt", out="none.txt")
    assert capsys.readouterr().err.count("\n") == 1 and not (folder / "none.txt").exists()
    with pytest.raises(RecipeError, match="no trial list has labels to fit on"):
        fuse(np.zeros((300, 2)), lists[1:])


@pytest.mark.parametrize("spoil", ["one 1e200", "one -1e16", "times 1e308", "one 1e15", "all 0"])
def test_huge_scores_are_one_line_or_fused_without_a_warning(
    systems, tmp_path, monkeypatch, capsys, spoil
):
    folder, _, _ = systems
    scores, enrol, test = read_scores(folder / "B.txt")
    how, by = spoil.split()
    if how == "one":
        scores[7] = float(by)
    else:
        scores = scores * float(by)
    write(tmp_path / "B.txt", scores, list(zip(enrol, test, strict=True)))
    arguments = (monkeypatch, folder, "A.txt", tmp_path / "B.txt")
    if spoil in ("one 1e15", "all 0"):
        with warnings.catch_warnings(action="error"):
            assert np.isfinite(read_scores(run(*arguments, out="huge.txt"))[0]).all()
        assert max(map(len, capsys.readouterr().out.splitlines())) < 200
        return
    with pytest.raises(SystemExit):
        run(*arguments, out="none.txt")
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(r"B.txt:\d+: a score of -?\d.*e\+\d+: expected one of 1e\+15", line)
    with pytest.raises(RecipeError, match="not finite, or beyond"):
        fit_calibration(scores[:100], [0, 1] * 50)

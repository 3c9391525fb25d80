"""Score lists written, read, and checked for all that can be wrong with them."""

import subprocess
import sys

import numpy as np
import pytest

from conftest import RECIPE
from local.errors import RecipeError
from local.scoring.__main__ import main
from local.scoring.score_list import check_scores, read_scores, scores_of, write_scores
from local.scoring.trials import TrialList
from warm_python import warm_python

DEV = [("a/x/0", "a/y/0"), ("a/x/0", "b/z/1"), ("b/z/1", "a/y/0")]
EVAL = [("d045", "2749"), ("2749", "9f0c")]


def trial_list(pairs, name="dev_trials.txt", label=-1):
    enrol, test = zip(*pairs, strict=True)
    return TrialList(np.full(len(pairs), label), list(enrol), list(test), name)


LISTS = [trial_list(DEV), trial_list(EVAL, "eval_trials_no_gt.txt")]


@pytest.fixture
def files(tmp_path):
    """A complete score list's lines, and how to write others; the trial lists on disk."""
    for trials in LISTS:
        lines = (f"-1 {a}.wav {b}.wav\n" for a, b in zip(trials.enrol, trials.test, strict=True))
        (tmp_path / trials.path).write_text("".join(lines))

    def write(lines):
        (tmp_path / "scores.txt").write_text("".join(f"{line}\n" for line in lines))
        return tmp_path / "scores.txt"

    write.complete = [f"0.{number} {a} {b}" for number, (a, b) in enumerate(DEV + EVAL, start=1)]
    write.lists = ",".join(str(tmp_path / trials.path) for trials in LISTS)
    return write


def test_written_as_the_format_says_and_read_again(tmp_path):
    scores = [np.array([0.8245347142219543, 1.0, 0.0]), np.array([1e-17, 0.5])]
    write_scores(tmp_path / "new" / "scores.txt", zip(LISTS, scores, strict=True))
    assert (tmp_path / "new" / "scores.txt").read_text().splitlines() == [
        "0.8245347142219543 a/x/0 a/y/0",
        "1.0 a/x/0 b/z/1",
        "0.0 b/z/1 a/y/0",
        "1e-17 d045 2749",
        "0.5 2749 9f0c",
    ]
    found, enrol, test = read_scores(tmp_path / "new" / "scores.txt")
    assert (found == np.concatenate(scores)).all()
    assert list(zip(enrol, test, strict=True)) == DEV + EVAL
    assert check_scores(tmp_path / "new" / "scores.txt", LISTS) == {}


@pytest.mark.parametrize("wrong", [1.0000001, -0.1, np.nan, np.inf])
def test_scores_outside_are_not_written(tmp_path, wrong):
    with pytest.raises(RecipeError, match="dev_trials.txt: 1 of 3 scores are not in"):
        write_scores(tmp_path / "scores.txt", [(LISTS[0], np.array([0.5, wrong, 0.5]))])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "lines, message",
    [
        ([], "the score list is empty"),
        (["0.5 a b", "0.5 a"], "scores.txt:2: expected 'score id1 id2'"),
        (["nan a b"], "scores.txt:1: expected"),
        (["0,5 a b"], "scores.txt:1: expected"),
        (["0.5 a b", "", "0.5 a b"], "scores.txt:2: expected"),
    ],
)
def test_lists_that_cannot_be_read(files, lines, message):
    with pytest.raises(RecipeError, match=message):
        read_scores(files(lines))


def test_no_score_list(tmp_path):
    for what in (read_scores, lambda path: check_scores(path, LISTS)):
        with pytest.raises(RecipeError, match="none.txt: no such score list"):
            what(tmp_path / "none.txt")


def changed(lines, number, line):
    return [*lines[:number], line, *lines[number + 1 :]]


@pytest.mark.parametrize("end", [[""], ["", ""], [" \t", "\r"]])
def test_empty_lines_at_the_end_are_none(files, end):
    path = files([*files.complete, *end])
    assert check_scores(path, LISTS) == {} and len(read_scores(path)[0]) == 5


def test_scores_of_trials_with_their_sides_swapped_are_theirs(files):
    swapped = [" ".join([line.split()[0], *line.split()[:0:-1]]) for line in files.complete]
    expected = [[0.1, 0.2, 0.3], [0.4, 0.5]]
    for lines in (swapped, [swapped[0], *files.complete[1:]], [".9 9f0c 2749", *files.complete]):
        assert [part.tolist() for part in scores_of(files(lines), LISTS)] == expected
    assert check_scores(files(swapped), LISTS)["sides swapped"][0] == 5
    # Where both orders are there, as of normalised scores, each has its own.
    both = [trial_list([DEV[0], DEV[0][::-1]])]
    assert scores_of(files(["0.5 a/y/0 a/x/0", "0.7 a/x/0 a/y/0"]), both)[0].tolist() == [0.7, 0.5]


@pytest.mark.parametrize(
    "change, kind, count, example",
    [
        (lambda c: c[:-1], "missing", 1, "'2749 9f0c'"),
        (lambda c: [], "missing", 5, "'a/x/0 a/y/0'"),
        (lambda c: [*c, c[0]], "double", 1, "line 6: 'a/x/0 a/y/0'"),
        (lambda c: [*c, "0.5 a/x/0 zz"], "extra", 1, "line 6: 'a/x/0 zz'"),
        (lambda c: [c[1], c[0], *c[2:]], "out of order", 1, "line 2: 'a/x/0 a/y/0'"),
        (lambda c: [*c[3:], *c[:3]], "out of order", 1, "line 3: 'a/x/0 a/y/0'"),
        (lambda c: changed(c, 2, "nan b/z/1 a/y/0"), "not finite", 1, "line 3: nan"),
        (lambda c: changed(c, 2, "-inf b/z/1 a/y/0"), "not finite", 1, "line 3: -inf"),
        (lambda c: changed(c, 2, "1.01 b/z/1 a/y/0"), "outside [0, 1]", 1, "line 3: 1.01"),
        (lambda c: changed(c, 2, "x b/z/1 a/y/0"), "malformed", 1, "line 3"),
        (lambda c: [*c[:4], "", c[4]], "malformed", 1, "line 5"),
        (lambda c: [*c[:4], "0.5 9f0c 2749"], "sides swapped", 1, "line 5: '9f0c 2749'"),
        (lambda c: ["0.5 a/y/0 ./a/x/0", *c[1:]], "sides swapped", 1, "line 1: 'a/y/0 ./a/x/0'"),
        (lambda c: [*c, "0.5 9f0c 2749"], "extra", 1, "line 6: '9f0c 2749'"),
        (lambda c: [line + ".wav" for line in c], "ids with .wav", 5, "line 1"),
    ],
)
def test_each_mistake_by_itself(files, change, kind, count, example):
    found = check_scores(files(change(files.complete)), LISTS)
    assert list(found) == [kind]
    assert found[kind][0] == count and found[kind][1][0].startswith(example)


def test_all_mistakes_in_one_go(files, capsys, monkeypatch):
    first, second, third, *_ = files.complete
    lines = [third, first, first, "2 d045 2749", "0.5 2749", "0.5 9f0c 2749", "inf 2749 9f0c"]
    monkeypatch.setattr(
        sys, "argv", ["score_list", "check", str(files(lines)), "--trials", files.lists]
    )
    with pytest.raises(SystemExit) as exit_code:
        main()
    assert exit_code.value.code == 1
    out = capsys.readouterr().out.splitlines()[1:]
    assert sorted(out) == [
        "  1 double: line 3: 'a/x/0 a/y/0'",
        "  1 extra: line 6: '9f0c 2749'",
        "  1 malformed: line 5",
        "  1 missing: 'a/x/0 b/z/1'",
        "  1 not finite: line 7: inf",
        "  1 out of order: line 2: 'a/x/0 a/y/0' belongs before the line above",
        "  1 outside [0, 1]: line 4: 2.0",
    ]
    assert second not in lines


def test_a_trial_that_the_lists_repeat_is_scored_as_often(files):
    lists = [trial_list(DEV), trial_list([DEV[1], DEV[0]])]
    lines = files.complete[:3]
    assert check_scores(files([*lines, lines[1], lines[0]]), lists) == {}
    assert check_scores(files([*lines, lines[1]]), lists) == {"missing": (1, ["'a/x/0 a/y/0'"])}
    assert list(check_scores(files([*lines, lines[0], lines[1]]), lists)) == ["out of order"]
    assert list(check_scores(files([*lines, lines[1], lines[0], lines[0]]), lists)) == ["double"]


def test_counts_are_whole_and_examples_few(files):
    lines = [f"7 {line.split(maxsplit=1)[1]}" for line in files.complete]
    count, examples = check_scores(files(lines), LISTS)["outside [0, 1]"]
    assert count == 5 and len(examples) == 3


@pytest.mark.parametrize("content", [b"\xff\xfe\x00 \xff \xfe\n", b"RIFF\x00\x00", b"x y z"])
def test_a_file_of_another_kind(files, content):
    path = files([])
    path.write_bytes(content)
    found = check_scores(path, LISTS)
    assert found["malformed"][0] == 1 and found["missing"][0] == 5


@pytest.mark.long
def test_command_line_says_complete_or_one_line(files, tmp_path):
    command = [warm_python(), "-m", "local.scoring", "check"]
    path = files(files.complete)
    done = subprocess.run(
        [*command, str(path), "--trials", files.lists], cwd=RECIPE, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "complete: 5 trials" in done.stdout
    done = subprocess.run(
        [*command, str(path), "--trials", str(tmp_path / "none.txt")],
        cwd=RECIPE,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "none.txt: no such trial list" in done.stderr


def test_as_long_as_the_real_lists(tmp_path):
    rows = np.random.default_rng(0).integers(0, 5000, (47_611, 2)).tolist()
    trials = trial_list([(f"id{a}/v{a}/0000{a}", f"id{b}/v{b}/0000{b}") for a, b in rows])
    write_scores(tmp_path / "scores.txt", [(trials, np.linspace(0, 1, len(rows)))])
    assert check_scores(tmp_path / "scores.txt", [trials]) == {}
    reversed_list = TrialList(trials.labels, trials.enrol[::-1], trials.test[::-1])
    count, _ = check_scores(tmp_path / "scores.txt", [reversed_list])["out of order"]
    assert 47_000 < count < 47_611

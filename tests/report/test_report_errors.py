"""What the report says of runs that are incomplete or damaged."""

import functools
import re
import shutil

import pytest

from local.errors import RecipeError
from local.report import make_report
from local.report.__main__ import main
from report_making import own_run, report


@pytest.fixture
def own(tmp_path):
    return own_run(tmp_path / "own")


def spoil(own, how):
    """Do to a run what happens to runs."""
    if how == "no run":
        shutil.rmtree(own.run)
    elif how == "no JSON":
        own.json.unlink()
    elif how == "cut JSON":
        own.json.write_text(own.json.read_text()[:-20])
    elif how == "other JSON":
        own.json.write_text("[1, 2]")
    elif how == "no scoring":
        del own.about["scoring"]
        own.save()
    elif how == "scores cut":
        path = own.run / "scores.txt"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:-7]))
    elif how == "no scores":
        (own.run / "scores.txt").unlink()
    elif how == "list changed":
        path = own.run / "dev_trials.txt"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[::-1]))
    elif how == "no list":
        (own.run / "dev_trials.txt").unlink()
    elif how == "cache cut":
        path = own.run / "embeddings/dev.npz"
        path.write_bytes(path.read_bytes()[:-400])
    elif how == "log cut":
        (own.run / "train_log.csv").write_text("epoch,lr\n1,abc\n")
    elif how == "NaN":
        path = own.run / "scores.txt"
        path.write_text(re.sub(r"^\S+", "nan", path.read_text()))


@pytest.mark.parametrize(
    "how, told",
    [
        ("no run", "no such .*speaker_verification.py .stage 4"),
        ("no JSON", "scores.json: no such file: speaker_verification.py .stage 4"),
        ("cut JSON", "scores.json: damaged"),
        ("other JSON", "scores.json: damaged"),
        ("no scoring", "without scoring: .*score the run again"),
        ("scores cut", "643 scores, but .* tells of 650: .*score the run again"),
        ("no scores", "no such score list"),
        ("list changed", "dev_trials.txt: its 600 trials are not those"),
        ("no list", "no such trial list"),
        ("cache cut", "dev.npz: damaged, or not embeddings"),
        ("log cut", "train_log.csv: not a table of numbers"),
        ("NaN", "scores.txt:1: expected .* with a finite score"),
    ],
)
def test_one_line_for_what_is_wrong(own, how, told, capsys):
    spoil(own, how)
    with pytest.raises(SystemExit) as stop:
        main([str(own.run)])
    errors = capsys.readouterr().err.split("\r")[-1].strip()
    assert stop.value.code == 1
    assert re.search(f"^error: .*{told}", errors) and "\n" not in errors


WRONG = {
    "run": [None, -1, [], {}, "\0", "\ud800"],
    "threshold": ["x", [], {}, True, float("nan"), 1e400],
    "decision": [-1, "x", [], {"p_target": "x"}],
    "shards": [None, -1, "x", [1], ["a", None]],
    "embeddings": [None, {}, [[]]],
    "versions": [None, [], {"python": 3}],
    "calibrated": [0, "yes", None],
    "calibration_trials": [1, []],
    "seed": [-1, 0.5, "0", None],
    "score_file": [None, 1],
    "lists": [None, {}, [1], "x"],
    "lists.0.num_trials": [-1, None, 0.5, "600"],
    "lists.0.evaluation": [-1, "x", [], {}],
    "lists.0.evaluation.metrics": [None, [], {"eer": 1}, {"auc": {"value": 1}}, {}],
    "lists.0.evaluation.metrics.eer.low": ["x", {}],
    "lists.0.evaluation.bootstrap.seed": [-1, None],
    "lists.0.evaluation.trials.target": [None, 1e9],
    "lists.0.evaluation.remarks": [1, None],
    "lists.0.breakdown": [None, {}, [1], [{}]],
    "lists.0.breakdown.0.eer": [1, "x", {}],
    "lists.0.breakdown.0.miss": ["x", []],
}


@pytest.mark.parametrize("key", WRONG)
def test_values_of_another_type_are_one_line_with_file_and_key(own, key):
    *above, last = [int(part) if part.isdigit() else part for part in key.split(".")]
    holder = functools.reduce(lambda value, part: value[part], above, own.about)
    for wrong in WRONG[key]:
        holder[last] = wrong
        own.save()
        with pytest.raises(RecipeError, match=r"scores.json: .*; score the run again") as error:
            make_report([own.run], own.run / "out.html")
        said = "an eer among the metrics" if wrong == {} and key.endswith("metrics") else key
        assert said in str(error.value)


@pytest.mark.parametrize("text", ["[" * 50_000, '{"a":' * 50_000, "", "1", "null", '"x"', "{}"])
def test_json_of_another_kind_is_one_line(own, text):
    own.json.write_text(text)
    with pytest.raises(RecipeError, match=r"scores.json: (damaged|without)"):
        make_report([own.run])


def test_labels_that_have_changed_since_are_told(own):
    path = own.run / "dev_trials.txt"
    path.write_text(re.sub("^[01] ", "-1 ", path.read_text(), flags=re.MULTILINE))
    with pytest.raises(RecipeError, match="dev_trials.txt: .* have changed since"):
        make_report([own.run])


def test_output_that_cannot_be_written_is_told_first(own, tmp_path):
    with pytest.raises(RecipeError, match="cannot be written"):
        make_report([own.run], tmp_path)


@pytest.mark.parametrize(
    "key, value",
    [
        *(("run", value) for value in (None, -1, [], {})),
        *(("threshold", value) for value in ("x", [], {}, True)),
        *(("decision", value) for value in (-1, "x", {"p_target": "x"})),
        *(("shards", value) for value in (None, -1, "x", [1])),
        *(("lists", value) for value in (None, [1])),
    ],
)
def test_values_of_another_type_are_told(own, key, value):
    own.about[key] = value
    own.save()
    with pytest.raises(RecipeError, match=f"scores.json: (damaged.*|without ){key}"):
        make_report([own.json])


def test_brackets_in_each_other(own):
    own.json.write_text("[" * 50_000)
    with pytest.raises(RecipeError, match="scores.json: damaged"):
        make_report([own.json])


def test_what_is_to_be_said_of_the_trials_is_on_the_page(own):
    own.about["lists"][0]["evaluation"]["remarks"] = "0 of 12 speakers are in <meta>.csv"
    own.save()
    assert "0 of 12 speakers are in <meta>.csv." in report(own.run).text

"""python -m local.metrics as people call it: tables, JSON, comparisons, errors."""

import json
import subprocess

import numpy as np
import pytest

from conftest import RECIPE
from local.metrics import evaluate
from local.scoring.score_list import write_scores
from local.scoring.trials import read_trials
from warm_python import warm_python

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def files(small, tmp_path_factory):
    """Two score lists, the second one worse, of the dev trials and of trials without labels."""
    folder = tmp_path_factory.mktemp("metrics")
    dev = read_trials(small.corpus / "dev_trials.txt")
    (folder / "eval.txt").write_text("-1 a b\n-1 b c\n")
    lists = [dev, read_trials(folder / "eval.txt")]
    rng = np.random.default_rng(0)
    for name, spread in (("good", 0.1), ("bad", 0.3)):
        scores = (0.5 + 0.2 * dev.labels + spread * rng.normal(size=len(dev))).clip(0, 1)
        write_scores(folder / f"{name}.txt", zip(lists, [scores, np.zeros(2)], strict=True))
    return folder


def call(*options):
    command = [warm_python(), "-m", "local.metrics", *map(str, options)]
    return subprocess.run(command, cwd=RECIPE, capture_output=True, text=True)


def test_tables(files, small):
    trials = small.corpus / "dev_trials.txt"
    options = ["--meta", small.corpus / "tiny_meta.csv", "--shards", small.shards / "dev"]
    answer = call("--scores", files / "good.txt", "--trials", trials, *options)
    assert answer.returncode == 0, answer.stderr
    for text in ("EER (convex hull)", "minDCF (p_target 0.01)", "Cllr (bits)", "AUC"):
        assert text in answer.stdout
    for text in ("by", "female-female", "unknown-unknown", "duration"):
        assert text in answer.stdout


def test_json_is_what_evaluate_says(files, small):
    trials = small.corpus / "dev_trials.txt"
    answer = call("--scores", files / "good.txt", "--trials", trials, "--json", "--seed", "3")
    (result,) = json.loads(answer.stdout)
    dev = read_trials(trials)
    scores = [float(line.split()[0]) for line in (files / "good.txt").open()][: len(dev)]
    assert result["evaluation"] == evaluate(scores, dev.labels, dev.speakers(), seed=3)
    assert result["trials"] == str(trials)


def test_comparison(files, small):
    systems = [files / "good.txt", files / "bad.txt"]
    options = ["--trials", f"{small.corpus / 'dev_trials.txt'},{files / 'eval.txt'}"]
    answer = call("--compare", *systems, *options)
    assert "1 good" in answer.stdout and "less 1 good" in answer.stdout
    (result,) = json.loads(call("--compare", *systems, *options, "--json").stdout)
    good, bad = (found["metrics"]["eer"]["value"] for found in result["evaluations"])
    (difference,) = result["differences"]
    assert difference["eer"]["value"] == pytest.approx(bad - good) and bad > good


ERRORS = {
    "no such score list": ["--scores", "none.txt", "--trials", "{dev}"],
    "2 of 2 trials have no score": ["--scores", "{dev_scores}", "--trials", "{eval}"],
    "no trial has a label": ["--scores", "{good}", "--trials", "{eval}"],
    "no such metadata file": ["--scores", "{good}", "--trials", "{dev}", "--meta", "none.csv"],
    "are in no shard": ["--scores", "{good}", "--trials", "{dev}", "--shards", "{train}"],
}


@pytest.mark.parametrize("message, options", ERRORS.items(), ids=ERRORS)
def test_errors_in_one_line(message, options, files, small, tmp_path):
    dev = read_trials(small.corpus / "dev_trials.txt")
    write_scores(tmp_path / "dev_scores.txt", [(dev, np.zeros(len(dev)))])
    names = {"dev": dev.path, "good": files / "good.txt", "eval": files / "eval.txt"}
    names |= {"dev_scores": tmp_path / "dev_scores.txt", "train": small.shards / "train"}
    answer = call(*(option.format(**names) for option in options))
    assert answer.returncode == 1
    (line,) = answer.stderr.splitlines()
    assert line.startswith("error: ") and message in line

"""Scoring, calibration and caches through speaker_verification.py, on a run that was trained."""

import json
import shutil

import numpy as np
import pytest

from anonymous_shards import write_anonymous_shards
from local.embeddings import get_embeddings, write_embeddings
from local.metrics import evaluate
from local.scoring.likelihood_ratios import log_likelihood_ratios
from local.scoring.score_list import check_scores, read_scores
from local.scoring.trials import read_trials
from running import one_line, train, verify

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def dev(small):
    return small.corpus / "dev_trials.txt"


@pytest.fixture(scope="module")
def evaluation(small, tmp_path_factory):
    """Dev utterances as anonymous files of an evaluation, with trials of each by the next ones."""
    folder = tmp_path_factory.mktemp("evaluation")
    names = write_anonymous_shards(small, folder)
    pairs = [(a, b) for row, a in enumerate(names) for b in names[row + 1 : row + 4]]
    for name, some in (("all", pairs), ("few", pairs[::-3])):
        (folder / f"{name}.txt").write_text("".join(f"-1 {a} {b}\n" for a, b in some))
    return folder


@pytest.mark.parametrize("scoring", ["cosine", "mean_subtracted", "plda"])
def test_no_eval_trial_changes_the_score_of_another(scoring, run, small, dev, evaluation, tmp_path):
    """The rule of the field, through the whole script: also calibrated, also with quality."""
    shards = [small.shards / "dev", evaluation / "shards/eval"]
    options = ["--scoring", scoring, "--calibration_trials", str(dev)]
    options += ["--quality_measures", "True", "--num_bootstrap", "0"]
    found = {}
    for name in ("all", "few"):
        lists = [dev, evaluation / f"{name}.txt"]
        lines = verify(run, shards, lists, tmp_path / f"{name}.txt", *options)
        assert not check_scores(tmp_path / f"{name}.txt", [read_trials(path) for path in lists])
        found[name] = {tuple(line.split()[1:]): float(line.split()[0]) for line in lines}
    assert found["few"].keys() < found["all"].keys()
    for pair, score in found["few"].items():
        assert score == pytest.approx(found["all"][pair], abs=1e-12)


def test_calibration_is_described_and_better(run, small, dev, tmp_path):
    plain, fitted = tmp_path / "plain.txt", tmp_path / "fitted.txt"
    shards, meta = [small.shards / "dev"], ("--meta_file", str(small.corpus / "tiny_meta.csv"))
    verify(run, shards, [dev], plain, *meta)
    costs = ("--p_target", "0.05", "--c_fa", "2")
    verify(run, shards, [dev], fitted, "--calibration_trials", str(dev), *costs, *meta)
    about = [json.loads(path.with_suffix(".json").read_text()) for path in (plain, fitted)]
    assert [one["calibrated"] for one in about] == [False, True]
    assert about[0]["threshold"] is None
    llr = log_likelihood_ratios(about[1]["threshold"])
    assert llr == pytest.approx(np.log(2 * 0.95 / 0.05))
    assert about[1]["decision"] == {"p_target": 0.05, "c_miss": 1.0, "c_fa": 2.0}
    before, after = (one["lists"][0]["evaluation"]["metrics"]["cllr"]["value"] for one in about)
    assert after < before
    groups = about[1]["lists"][0]["breakdown"]
    assert {"sex", "speaker", "duration"} <= {group["by"] for group in groups}
    decision = json.loads((run / "inference/decision.json").read_text())
    assert decision["threshold"] == pytest.approx(llr)
    assert decision["fitted_on"]["list"] == str(dev)


def test_no_list_is_calibrated_by_its_own_speakers(run, small, dev, tmp_path):
    """However the list is cut or ordered: a trial's own speakers are never in its fit."""
    shards, options = [small.shards / "dev"], ("--calibration_trials", str(dev))
    lines = dev.read_text().splitlines(keepends=True)
    found, cllrs = {}, {}
    for name, some in (("same", lines), ("turned", lines[::-1]), ("cut", lines[:-3])):
        (tmp_path / f"{name}.txt").write_text("".join(some))
        trials, score_file = tmp_path / f"{name}.txt", tmp_path / f"s_{name}.txt"
        scores = verify(run, shards, [trials], score_file, *options)
        found[name] = {tuple(line.split()[1:]): line.split()[0] for line in scores}
        (entry,) = json.loads(score_file.with_suffix(".json").read_text())["lists"]
        cllrs[name] = entry["evaluation"]["metrics"]["cllr"]["value"]
        # The list holds the fit itself, which keeps the order of the cosines.
        in_sample = [float(line.split()[0]) for line in scores]
        in_sample = evaluate(in_sample, read_trials(trials).labels)["metrics"]
        assert cllrs[name] > in_sample["cllr"]["value"] + 0.01
        eer = entry["evaluation"]["metrics"]["eer"]["value"]
        assert eer == pytest.approx(in_sample["eer"]["value"])
    assert found["turned"] == found["same"] and found["cut"].items() < found["same"].items()
    assert cllrs["turned"] == pytest.approx(cllrs["same"])


def test_quality_measures_are_measured_without_a_trials_own_speakers(run, small, dev, tmp_path):
    """They change the order of the trials: the error rates too are cross-validated then."""
    shards, options = [small.shards / "dev"], ("--calibration_trials", str(dev))
    lines = verify(run, shards, [dev], tmp_path / "s.txt", *options, "--quality_measures", "True")
    (entry,) = json.loads((tmp_path / "s.json").read_text())["lists"]
    in_sample = evaluate([float(line.split()[0]) for line in lines], read_trials(dev).labels)
    for name in ("auc", "min_cllr"):
        honest, fitted = (x["metrics"][name]["value"] for x in (entry["evaluation"], in_sample))
        assert honest < fitted if name == "auc" else honest > fitted


def test_nothing_that_is_read_is_replaced(run, small, dev, tmp_path, capsys):
    shards = [small.shards / "dev"]
    trials = shutil.copy(dev, tmp_path / "trials.txt")
    (tmp_path / "link.txt").symlink_to(trials)
    meta = shutil.copy(small.corpus / "tiny_meta.csv", tmp_path / "s_eer.txt")
    for score_file, options in (
        (trials, ()),
        (tmp_path / "link.txt", ()),
        (tmp_path / "s.txt", ("--meta_file", str(meta))),
        (tmp_path / "s.txt", ("--calibration_trials", str(tmp_path / "s_det.png"))),
    ):
        message = one_line(capsys, verify, run, shards, [trials], score_file, *options)
        assert "this command reads it and would replace it" in message
    assert trials.read_text() == dev.read_text()


def test_the_verifier_is_left_alone_where_that_is_asked(run, small, dev, tmp_path):
    shards, record = [small.shards / "dev"], run / "inference/decision.json"
    calibrate = ("--calibration_trials", str(dev))
    verify(run, shards, [dev], tmp_path / "a.txt", *calibrate)
    before = record.read_text()
    options = ("--p_target", "0.1", "--scoring", "plda", "--update_verifier", "False")
    verify(run, shards, [dev], tmp_path / "b.txt", *calibrate, *options)
    assert record.read_text() == before
    verify(run, shards, [dev], tmp_path / "b.txt", *calibrate, *options[:-2])
    assert record.read_text() != before


def test_self_trials_have_a_score_and_no_weight(run, small, dev, tmp_path, capsys):
    """Also in the fit of a calibration, which they would make sure of itself."""
    shards, names = [small.shards / "dev"], dict.fromkeys(read_trials(dev).enrol)
    own = tmp_path / "dev_trials.txt"
    own.write_text(dev.read_text() + "".join(f"1 {name}.wav {name}.wav\n" for name in names))
    found = {}
    for trials in (dev, own):
        calibrate = ("--calibration_trials", str(trials))
        lines = verify(run, shards, [trials], tmp_path / "s.txt", *calibrate)
        (entry,) = json.loads((tmp_path / "s.json").read_text())["lists"]
        found[trials] = lines, entry["evaluation"]["metrics"]
        decision = json.loads((run / "inference/decision.json").read_text())
        assert decision["fitted_on"]["trials"]["target"] == (read_trials(dev).labels == 1).sum()
    assert found[own][0][: -len(names)] == found[dev][0] and found[own][1] == found[dev][1]
    said = f"{len(names)} trials of an utterance with itself (left out of the metrics)"
    assert said in capsys.readouterr().out and said in (tmp_path / "s_eer.txt").read_text()
    verify(run, shards, [own], tmp_path / "s.txt", "--self_trials_count", "True")
    (entry,) = json.loads((tmp_path / "s.json").read_text())["lists"]
    eers = [part["eer"]["value"] for part in (entry["evaluation"]["metrics"], found[own][1])]
    assert eers[0] < eers[1] and "(counted as any other)" in capsys.readouterr().out


def test_another_list_gets_the_full_fit(run, small, dev, tmp_path):
    """A probability is an affine map of the cosine, on the logarithmic scale of ratios."""
    shards = [small.shards / "dev", small.shards / "val"]
    val = small.corpus / "val_trials.txt"
    verify(run, shards, [val], tmp_path / "plain.txt")
    verify(run, shards, [val], tmp_path / "fitted.txt", "--calibration_trials", str(dev))
    decision = json.loads((run / "inference/decision.json").read_text())
    cosines, llrs = (read_scores(tmp_path / f"{name}.txt")[0] for name in ("plain", "fitted"))
    expected = (2 * cosines - 1) * decision["calibration"]["weights"][0]
    expected += decision["calibration"]["offset"]
    assert log_likelihood_ratios(llrs) == pytest.approx(expected, abs=1e-6)


def test_a_file_of_embeddings_instead_of_shards(run, small, dev, tmp_path, capsys):
    before = verify(run, [small.shards / "dev"], [dev], tmp_path / "shards.txt")
    embeddings = get_embeddings(run, [small.shards / "dev"], device="cpu")
    write_embeddings(tmp_path / "e.npz", embeddings)
    options = ("--embeddings_file", str(tmp_path / "e.npz"))
    assert verify(run, [], [dev], tmp_path / "file.txt", *options) == before
    message = one_line(capsys, verify, run, [small.shards / "dev"], [dev], "s.txt", *options)
    assert "give either --shards_dirs_to_evaluate or --embeddings_file" in message
    val = small.corpus / "val_trials.txt"
    message = one_line(capsys, verify, run, [], [val], tmp_path / "s.txt", *options)
    assert "name utterances that are in no shard" in message
    other = train(small, tmp_path / "other", "--random_seed", "5", "--epochs", "1")
    message = one_line(capsys, verify, other, [], [dev], tmp_path / "s.txt", *options)
    assert "checkpoint" in message and "e.npz" in message


def test_errors(run, small, dev, evaluation, tmp_path, capsys):
    shards, score_file = [small.shards / "dev", evaluation / "shards/eval"], tmp_path / "s.txt"
    cases = {
        ("--scoring", "as_norm"): "a cohort of 6 training speakers: expected 10 or more",
        ("--scoring", "cosines"): "expected one of cosine, mean_subtracted",
        ("--calibration_trials", str(evaluation / "all.txt")): "0 target and 0 non-target trials",
        ("--calibration_trials", "none.txt"): "no such trial list",
        ("--quality_measures", "maybe"): "expected True or False, found 'maybe'",
        (
            "--p_target",
            "1.5",
            "--calibration_trials",
            str(dev),
        ): "expected a probability between 0 and 1",
        ("--scoring", "plda", "--train_shards_dir", str(tmp_path)): "expected shards named",
    }
    for options, expected in cases.items():
        message = one_line(capsys, verify, run, shards, [dev], score_file, *options)
        assert expected in message, options
    assert not score_file.exists()
    message = one_line(capsys, verify, run, shards, [dev], tmp_path / "s.json")
    assert "s.json: the metrics get this name" in message


def test_training_shards_that_have_gone(run, small, dev, tmp_path, capsys):
    moved = shutil.copytree(run, tmp_path / "moved")
    for record in (moved / "experiment.yaml", moved / "inference/experiment.yaml"):
        record.write_text(record.read_text().replace(str(small.shards), "/nowhere"))
    arguments = (moved, [small.shards / "dev"], [dev], tmp_path / "s.txt", "--scoring", "plda")
    assert "give --train_shards_dir" in one_line(capsys, verify, *arguments)
    verify(*arguments, "--train_shards_dir", str(small.shards / "train"))

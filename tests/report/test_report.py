"""The report: what is on the page and what is not there."""

import html
import json
import re
from collections import Counter

import numpy as np
import pytest

from local.report import make_report
from local.report.__main__ import main
from local.report.runs import read_runs
from local.results import read_results
from report_making import Page, own_run, report, write_cache, write_list, write_result, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A calibrated run."""
    folder = tmp_path_factory.mktemp("report") / "ours"
    write_run(folder, calibrated=True)
    return folder


@pytest.fixture(scope="module")
def page(run):
    return report(run)


@pytest.fixture
def own(tmp_path):
    return own_run(tmp_path / "own")


def test_metrics_are_those_of_the_json(run, page):
    metrics = read_results(run / "scores.json").lists[0].evaluation["metrics"]
    assert {name: [metric["value"]] for name, metric in metrics.items()} == page.values
    eer = metrics["eer"]
    interval = f"{eer['value']:.2%} (95% interval {eer['low']:.2%} to {eer['high']:.2%})"
    assert f"The EER on dev_trials is {interval}: 600 trials of 12 speakers." in page.text


def test_page_says_how_it_was_made(run, page):
    for words in (
        "python train_speaker_embeddings.py hparams/prototype.yaml --shard_folder <SHARDS>",
        f"python speaker_verification.py hparams/verification.yaml --checkpoint {run}",
        "python 3.11.7, torch 2.13.0",
        "p_target 0.01, c_miss 1, c_fa 1",
        "random_seed: 1337",
        "SpeechBrain system description",
        f"dev_trials 600 trials: {run}/dev_trials.txt",
        f"shards 2 archives: {run}/shards/dev",
        f"embeddings 96 utterances: {run}/embeddings/dev.npz",
        "Seed of the training 1337",
        "eval_trials_no_gt: 50 trials scored; without labels of both kinds",
    ):
        assert words in page.text


def test_page_is_complete_and_needs_no_network(page):
    # DET, histogram, calibration, groups, map, and three of the training
    assert page.tags["svg"] == page.tags["figure"] == 8
    assert page.tags["script"] == 3  # sounds, points, and what plays and names them
    assert not page.tags["img"] and not page.tags["object"]
    assert [link for link in page.links if not link.startswith(("#", "data:"))] == []
    assert "@import" not in page.html
    assert set(re.findall(r"url\((.)", page.html)) <= {"#"}


def test_ids_are_unique_and_references_lead_to_them(page):
    assert [name for name, times in Counter(page.ids).items() if times > 1] == []
    wanted = {link[1:] for link in page.links if link.startswith("#")}
    wanted |= set(re.findall(r"url\(#([^)]*)\)", page.html))
    wanted |= set(re.findall(r'aria-labelledby="([^"]*)"', page.html))
    assert wanted and wanted <= set(page.ids)


def test_equal_input_gives_equal_bytes(run, page, tmp_path):
    again, _ = make_report([run], tmp_path / "again.html")
    assert again.read_text() == page.html


def test_what_users_name_is_escaped(own):
    evil = "<script>&amp;'$x$"
    for path in own.run.glob("*.txt"):
        path.write_text(path.read_text().replace("id00/", f"{evil}/"))
    with np.load(own.run / "embeddings/dev.npz") as arrays:
        ids = [name.replace("id00/", f"{evil}/") for name in arrays["ids"].tolist()]
        write_cache(own.run / "embeddings/dev.npz", ids, arrays["vectors"])
    text = own.json.read_text()
    for name in ('"sex"', '"female-female"', '"dev_trials"'):
        text = text.replace(name, json.dumps(evil))
    own.json.write_text(text)
    (own.run / "experiment.yaml").write_text(f"# > {evil}\n")
    page = report(own.run)
    assert page.tags["script"] == 3  # its own
    drawn = [html.unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", page.html)]
    assert evil in drawn  # in the legend of the map
    assert any(text.startswith(f"{evil}: ") for text in drawn)  # beside the bars
    # Headline, heading, group, tables, command, map: as it is, neither markup nor mathematics.
    assert page.text.count(evil) > 10 and page.text.count("<script") == page.text.count(evil)


def test_comparison_of_two_runs(run, tmp_path, capsys):
    other = write_run(tmp_path / "other", noise=2.5)
    main([str(run), str(tmp_path / "other"), "--out", str(tmp_path / "both.html")])
    assert f"report: {tmp_path / 'both.html'}" in capsys.readouterr().out
    page = Page(tmp_path / "both.html")
    lists = [read_results(path).lists[0] for path in (run / "scores.json", other)]
    metrics = [result.evaluation["metrics"] for result in lists]
    assert page.values["eer"] == [entries["eer"]["value"] for entries in metrics]
    ours, others = (f"{eer:.2%}" for eer in page.values["eer"])
    assert re.search(f"On dev_trials the EER of ours is {ours} .*, against {others} ", page.text)
    assert "The scores are not calibrated" in page.text
    assert page.tags["svg"] == 11  # the DET curves, groups and training curves are shared
    for name in ("ours", "other"):
        assert f"{name}: EER" in page.html  # in the legend of the DET curves
        assert f"{name}, valid" in page.html  # in that of the training curves


def test_lists_of_one_name_but_other_trials_are_not_compared(run, tmp_path):
    write_run(tmp_path / "other", num_speakers=10)
    page = report(run, tmp_path / "other", out=tmp_path / "both.html")
    assert page.text.count("Trials: dev_trials") == 2
    assert "against" not in page.text
    assert "The EER of ours on dev_trials" in page.text


def test_two_score_lists_of_one_run(own, tmp_path):
    (scored,) = read_runs([own.run])
    scores = np.concatenate([part.scores for part in scored.lists])
    write_result(own.run, [part.trials for part in scored.lists], 1 - scores, stem="reversed")
    page = report(own.json, own.run / "reversed.json", out=tmp_path / "both.html")
    assert "own/scores vs own/reversed" in page.text
    assert page.text.count("val EER") and page.html.count("Training: val EER") == 1


def test_a_moved_run_is_found(own, run, tmp_path):
    text = own.json.read_text().replace(str(own.run), str(tmp_path / "gone"))
    own.json.write_text(text)
    assert report(own.run).tags["svg"] == 8


def test_sections_without_content_say_so(own):
    own.about["embeddings"] = [str(own.run / "gone.npz")]
    dev = own.about["lists"][0]
    dev["breakdown"] = []
    dev["evaluation"]["trials"]["speakers"] = 4
    for metric in dev["evaluation"]["metrics"].values():
        metric["low"] = metric["high"] = None
    own.save()
    for name in ("train_log.csv", "experiment.yaml", "env.log"):
        (own.run / name).unlink()
    page = report(own.run)
    for words in (
        "There is no map",
        "No groups: no metadata",
        "There are no intervals: too few speakers.",
        "(no interval: too few speakers)",
        "The run has no training log",
        "The command was not recorded",
        "Hyperparameters (experiment.yaml): not there",
    ):
        assert words in page.text
    assert page.tags["svg"] == page.tags["figure"] == 3


def test_lists_without_labels_only(tmp_path):
    path = write_run(tmp_path / "run", labelled=False)
    page = report(path)
    assert "there are no error rates to show" in page.text
    assert "All embeddings" in page.text
    assert page.tags["svg"] == 4  # the map and the training curves


def test_no_errors_at_all(own):
    """Separable scores: the DET curve runs along the axes, the histogram has two bars."""
    dev = read_runs([own.run])[0].lists[0]
    for name in ("train_log.csv", "embeddings/dev.npz"):  # nothing new to see there
        (own.run / name).unlink()
    write_result(own.run, [dev.trials], np.where(dev.trials.labels == 1, 0.9, 0.1))
    page = report(own.run)
    assert page.values["eer"] == [0.0]
    write_result(own.run, [dev.trials], np.full(len(dev.trials), 0.5))
    assert report(own.run).values["eer"] == [0.5]


def test_groups_with_one_kind_of_trials_have_no_eer(page):
    assert "% false alarm" in page.html  # of the female-male trials
    assert re.search(r"sex: female-male 0 \d+ 12 . . . \d+", page.text)


def test_anonymous_ids_have_a_map_without_speakers(tmp_path):
    path = write_run(tmp_path / "run", labelled=False)
    rng = np.random.default_rng(0)
    names = [f"{number:08x}" for number in range(40)]
    write_cache(path.parent / "embeddings/dev.npz", names, rng.normal(size=(40, 4)))
    trials = write_list(path.with_name("list.txt"), np.arange(20) % 2, names[:20], names[20:])
    page = report(write_result(path.parent, [trials], rng.random(20)))
    assert "20 trials of unknown speakers" in page.text
    assert "Map of 40 embeddings" in page.html
    assert "colour and marker of its own" not in page.text


def test_many_trials_stay_light(tmp_path):
    rng = np.random.default_rng(0)
    names = [f"id{number // 25:02d}/video/{number:05d}" for number in range(1200)]
    path = write_run(tmp_path / "run", labelled=False)
    write_cache(path.parent / "embeddings/dev.npz", names, rng.normal(size=(1200, 192)))
    sides = rng.choice(1200, (2, 50_000))
    labels = (sides[0] // 25 == sides[1] // 25).astype(int)
    enrol, test = ([names[row] for row in side] for side in sides)
    trials = write_list(path.with_name("list.txt"), labels, enrol, test)
    write_result(path.parent, [trials], rng.normal(labels * 0.3 + 0.4, 0.1).clip(0, 1))
    out, _ = make_report([path])
    assert out.stat().st_size < 1e6
    assert "1,000 of 1,200 utterances" in out.read_text()

"""Published trial lists are called by their names, and lists that only have the name are told."""

import numpy as np
import pytest
from hyperpyyaml import load_hyperpyyaml

from conftest import RECIPE
from local.corpora.voxceleb.evaluation_lists import read_list
from local.corpora.voxceleb.published_lists import PUBLISHED_LISTS
from local.embeddings import Embeddings
from local.metrics import __main__ as metrics_command
from local.report import make_report
from local.results import Measured, evaluate_lists
from local.scoring.official_lists import recognise
from local.scoring.score_list import write_scores
from local.scoring.trials import read_trials

CLEANED = next(each for each in PUBLISHED_LISTS if each.file == "veri_test2.txt")


def columns(trials, targets, speakers):
    """Labels and speakers of the two sides of as many trials, each of which is another one."""
    labels = (np.arange(trials) < targets).astype(int)
    first = np.arange(trials) % speakers
    return labels, first, np.where(labels == 1, first, (first + 1) % speakers)


def write_list(path, each, form="{label} {first}.wav {second}.wav", missing=0):
    labels, *sides = columns(*each[2:])
    names = [[f"id{10001 + one}" for one in range(max(side) + 1)] for side in sides]
    rows = zip(labels.tolist(), *(side.tolist() for side in sides), strict=True)
    lines = (
        form.format(
            label=label,
            word="target" if label else "nontarget",
            first=f"{names[0][a]}/s/{row % 97:05d}",
            second=f"{names[1][b]}/t/{row // 97:05d}",
        )
        for row, (label, a, b) in enumerate(rows)
    )
    lines = list(lines)[missing // 2 : each.trials - missing + missing // 2]  # of both kinds
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("each", PUBLISHED_LISTS, ids=lambda each: each.file)
def test_each_by_its_counts(each):
    labels, *sides = columns(*each[2:])
    keys = [[f"id{number}/s/0" for number in np.unique(side).tolist()] for side in sides]
    assert recognise(f"meta/{each.file}", labels, *keys) == (each.title, "")
    assert recognise("trials.kaldi", labels, *keys) == (each.title, "")
    assert recognise("trials.txt", np.full(each.trials, -1), *keys) == ("", "")
    assert recognise(each.file, np.full(each.trials, -1), *keys) == (each.title, "")


@pytest.mark.parametrize("form", ["{label} {first}.wav {second}.wav", "{first} {second} {word}"])
def test_read_in_each_form_and_under_any_name(tmp_path, form):
    read = read_trials(write_list(tmp_path / "vox1_O_cleaned", CLEANED, form))
    assert (read.title, read.remarks) == ("VoxCeleb1-O, cleaned", "")


def test_a_list_that_differs_is_told_and_not_refused(tmp_path, caplog):
    read = read_trials(write_list(tmp_path / "veri_test2.txt", CLEANED, missing=11))
    told = "not the veri_test2.txt that is published as VoxCeleb1-O, cleaned: "
    told += "37,600 trials, expected 37,611; 18,797 targets, expected 18,802"
    assert (len(read), read.title, read.remarks) == (37_600, "", told)
    assert caplog.messages == [f"{read.path}: {told}"]


def test_the_content_of_one_list_under_the_name_of_another(tmp_path):
    read = read_trials(write_list(tmp_path / "veri_test.txt", CLEANED))
    assert read.title == "VoxCeleb1-O, cleaned"
    assert "37,611 trials, expected 37,720" in read.remarks


def test_other_speakers_than_those_of_the_published_list():
    labels, *_ = columns(CLEANED.trials, CLEANED.targets, 40)
    keys = [f"id{number}/s/0" for number in range(39)]
    assert recognise("trials.txt", labels, keys) == ("", "")
    title, remark = recognise("veri_test2.txt", labels, keys)
    assert title == "" and remark.endswith("cleaned: 39 speakers, expected 40")
    assert recognise("veri_test2.txt", labels, ["d0af", "77aa"]) == (CLEANED.title, "")


def test_other_lists_are_nothing_of_that_kind(tmp_path):
    path = tmp_path / "dev_trials.txt"
    path.write_text("1 a/x/0 a/y/0\n0 a/x/0 b/z/0\n")
    read = read_trials(path)
    assert (read.title, read.remarks) == ("", "")


def test_named_in_output_report_and_metrics(tmp_path, monkeypatch, capsys):
    lists = [
        read_trials(write_list(tmp_path / "veri_test2.txt", CLEANED)),
        read_trials(write_list(tmp_path / "list_test_all.txt", CLEANED, missing=37_000)),
    ]
    scores = [0.4 + 0.2 * (np.arange(len(trials)) % 3) for trials in lists]
    overrides = {"checkpoint": str(tmp_path), "trial_lists": "", "num_bootstrap": 5}
    overrides["score_file"] = str(tmp_path / "scores.txt")
    hparams = load_hyperpyyaml((RECIPE / "hparams/verification.yaml").read_text(), overrides)
    ids = list(dict.fromkeys(lists[0].named() + lists[1].named()))
    embeddings = Embeddings(ids, np.ones((len(ids), 2)), np.full(len(ids), 16000), {})
    measured = [Measured(*pair, ranking=pair[1]) for pair in zip(lists, scores, strict=True)]
    named, other, _ = evaluate_lists(hparams, measured, embeddings, None, [])
    assert named.startswith("veri_test2.txt (VoxCeleb1-O, cleaned): EER ")
    assert other.startswith("list_test_all: EER ")
    assert "VoxCeleb1-E: 611 trials, expected 581,480" in other.splitlines()[0]
    write_scores(hparams["score_file"], zip(lists, scores, strict=True))
    html, _ = make_report([tmp_path / "scores.json"], audio=False)
    assert "<h2>Trials: veri_test2.txt (VoxCeleb1-O, cleaned)</h2>" in html.read_text()
    assert "published as VoxCeleb1-E: 611 trials, expected 581,480" in html.read_text()
    paths = ",".join(trials.path for trials in lists)
    argv = ["metrics", "--scores", hparams["score_file"], "--trials", paths, "--num_bootstrap", "0"]
    monkeypatch.setattr("sys.argv", argv)
    metrics_command.main()
    assert f"on {lists[0].path} (VoxCeleb1-O, cleaned)\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name, title",
    [
        ("mine.txt", "mine.txt"),
        (
            "veri_test2.txt",
            "not the veri_test2.txt that is published as VoxCeleb1-O, cleaned: 2 speakers, "
            "expected 40",
        ),
    ],
)
def test_a_corpus_does_not_call_a_list_published_for_its_length(tmp_path, name, title):
    trials = "1 a/x/0.wav a/y/0.wav\n0 a/x/0.wav b/z/0.wav\n1 b/z/0 b/w/0\n"
    (tmp_path / name).write_text(trials * 12_537)
    found = read_list(tmp_path / name, "eval_trials.txt")
    assert (found.num_trials, found.title) == (37_611, title)

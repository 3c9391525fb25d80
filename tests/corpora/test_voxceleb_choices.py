"""Choices that somebody has written down, and options of the corpus voxceleb."""

import csv
import re
import shutil
from pathlib import Path

import pytest

from conftest import ROOT
from local.corpora.__main__ import main
from local.corpora.utterance_list import read_utterances
from local.corpora.voxceleb import corpus
from local.errors import RecipeError
from voxceleb_lists import build_vox, make


@pytest.fixture(scope="module")
def vox(tmp_path_factory):
    return build_vox(tmp_path_factory.mktemp("vox") / "data")


def spoil(vox, tmp_path, change):
    """A choice that somebody has changed."""
    corpus = make(vox, tmp_path / "first")
    rows = [[*row] for row in read_utterances(corpus / "utterances.csv")]
    path = tmp_path / "changed.csv"
    with open(path, "w", encoding="utf-8") as fout:
        csv.writer(fout).writerows([("split", "id", "path"), *change(rows)])
    return path


def renamed(rows, old, new, split=None):
    return [[split or row[0], row[1].replace(old, new), row[2]] for row in rows]


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda rows: renamed(rows, "/00002", "/00009"),
            r"data: lacks 56 of the 112 utterances of .*changed.csv, of 14 speakers, first \w+/.*…",
        ),
        (lambda rows: [["test", *row[1:]] for row in rows], "in 'test': expected utterances"),
        (lambda rows: [row for row in rows if row[0] != "dev"], "0 speakers in dev: expected two"),
        (lambda rows: [*rows, rows[0]], "is twice in train: name it once"),
        (
            lambda rows: [*rows, ["val", rows[0][1], ""]],
            "session .* is in train and in val",
        ),
        (
            lambda rows: [["dev" if row[0] == "eval" else row[0], *row[1:]] for row in rows],
            "4 speakers of train or dev are of VoxCeleb1's test set: id10270",
        ),
        (
            lambda rows: [*rows, *([["dev", *row[1:]] for row in rows if row[0] == "val"])],
            "speakers in more than one of train, dev and eval",
        ),
        (
            lambda rows: [row for row in rows if (row[0], row[1][:7]) != ("train", rows[0][1][:7])],
            "speakers of val who are not in train",
        ),
    ],
)
def test_a_choice_that_leaks_or_that_the_download_lacks(vox, tmp_path, change, message):
    path = spoil(vox, tmp_path, change)
    with pytest.raises(RecipeError, match=message):
        make(vox, tmp_path / "second", choice=str(path))
    assert not (tmp_path / "second" / "corpus").exists()


def run(monkeypatch, *options):
    """What the command line says of options, with which it must fail in one line."""
    monkeypatch.setattr("sys.argv", ["local.corpora", "--corpus", *map(str, options)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1


@pytest.mark.parametrize(
    "options, message",
    [
        (("--speakers", "many"), "--speakers many: expected a whole number, or all"),
        (("--speakers", "60"), "20 speakers have 4 sessions or more, but 70 are needed"),
        (("--min_sessions", "5"), "for dev; nobody has more than 4 sessions: ask for fewer"),
        (("--speakers", "all"), "but 42 are needed: 2 to train on and 40 for dev"),
        (("--evaluate", "X"), "--evaluate X: expected O, E, H, none, or the path of a trial list"),
        (("--evaluate", "E"), "--evaluate E: no list_test_all2.txt or list_test_all.txt in the"),
        (("--evaluate", "O,O"), "O is there twice: name each list once"),
        (("--choice", "nowhere.csv"), "nowhere.csv: no such choice"),
        (("--choice", "a.csv", "--speakers", "4"), "--speakers: give either that or --choice"),
        (("--overlap", "nowhere.txt"), "nowhere.txt: no such list of speakers"),
    ],
)
def test_options_that_cannot_be_met(vox, tmp_path, monkeypatch, capsys, options, message):
    run(monkeypatch, "voxceleb", "--data_folder", vox, "--out", tmp_path / "out", *options)
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and message in said
    assert not (tmp_path / "out" / "corpus").exists()


@pytest.mark.parametrize("option", [{"evaluate": "O,E"}, {"choice": "no.csv"}, {"overlap": "no"}])
def test_what_is_missing_is_told_before_the_long_search(vox, tmp_path, monkeypatch, option):
    monkeypatch.setattr(corpus, "find_voxceleb", lambda _: pytest.fail("searched"))
    with pytest.raises(RecipeError, match="no list_test_all2|no such"):
        make(vox, tmp_path, **option)


def test_a_list_without_trials(vox, tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("hello\n")
    with pytest.raises(RecipeError, match="list is empty, only 'hello': expected lines 'label id1"):
        make(vox, tmp_path / "first", evaluate=str(path))


def test_options_of_voxceleb_alone(tmp_path, monkeypatch, capsys):
    run(monkeypatch, "synthetic", "--out", tmp_path, "--speakers", "4")
    assert capsys.readouterr().err == "error: --speakers: an option of --corpus voxceleb only\n"


def test_commands_of_the_document(vox, tmp_path, monkeypatch):
    """What docs/voxceleb.md tells run.sh makes a corpus, here of a few speakers."""
    folder, first = tmp_path / "VOXCELEB", make(vox, tmp_path / "their")
    folder.mkdir()
    for path in vox.iterdir():
        (folder / path.name).symlink_to(path)
    for name in ("list_test_all2.txt", "list_test_hard2.txt"):
        shutil.copy(vox / "veri_test2.txt", folder / name)
    text = (ROOT / "docs/voxceleb.md").read_text(encoding="utf-8")
    found = re.findall(r"\./run.sh (--corpus voxceleb --data_folder VOXCELEB.*?)[;'\n]", text)
    assert len(found) == 6 and first.is_dir()
    monkeypatch.chdir(tmp_path)
    for number, command in enumerate(found):
        words = re.sub(
            r"--(stop_stage|output_folder) \S+|\$n", lambda m: "4" * (m[0] == "$n"), command
        )
        few = [] if "--choice" in command else ["--speakers", "4", "--dev_speakers", "4"]
        monkeypatch.setattr("sys.argv", ["", *words.split(), *few, "--out", f"out{number}"])
        main()
        assert len(list(Path(f"out{number}", "corpus").glob("eval_trials*"))) in (1, 3)


def test_a_list_of_which_utterances_are_missing(vox, tmp_path):
    content = (vox / "veri_test2.txt").read_text()
    path = tmp_path / "veri_test.txt"
    path.write_text(content + content.replace("/00002.wav", "/00003.wav"))
    with pytest.raises(RecipeError, match="veri_test.txt: 16 of its 48 utterances are not among"):
        make(vox, tmp_path / "out", evaluate=str(path))
    path.write_text("1 id10270/a/00001.wav\n")
    with pytest.raises(RecipeError, match="veri_test.txt:1: expected a trial .* found 1 of them"):
        make(vox, tmp_path / "out", evaluate=str(path))

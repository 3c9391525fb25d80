"""A corpus is chosen from VoxCeleb as it lies there: splits, leaks, lists, and kills."""

import csv
import itertools
import shutil
import signal
import subprocess
import sys

import pytest

from conftest import RECIPE
from local.corpora.utterance_list import read_utterances
from local.corpora.voxceleb.choice import Amounts
from local.corpora.voxceleb.corpus import prepare_voxceleb
from local.corpora.voxceleb.options import VoxCelebOptions
from local.errors import RecipeError
from local.scoring.trials import read_trials
from voxceleb_lists import FEW, PEOPLE, TEST, build_vox, make, splits_of, write_list
from voxceleb_trees import VOX2_TEST


@pytest.fixture(scope="module")
def vox(tmp_path_factory):
    return build_vox(tmp_path_factory.mktemp("vox") / "data")


def choice_of(corpus):
    return [row[:2] for row in read_utterances(corpus / "utterances.csv")]


def test_splits_share_no_speaker_and_no_session(vox, tmp_path, capsys):
    corpus = make(vox, tmp_path)
    splits = splits_of(corpus)
    assert list(splits) == ["train", "val", "dev", "eval"]
    assert [len(splits[name]) for name in splits] == [6, 6, 4, 4]
    assert splits["eval"].keys() == TEST
    sets = [splits[name].keys() for name in ("train", "dev", "eval")]
    assert not any(a & b for a, b in itertools.combinations(sets, 2))
    assert not (splits["train"].keys() | splits["dev"].keys()) & {*TEST, *VOX2_TEST}
    for speaker in splits["train"]:
        held_out, trained_on = (
            {name.rpartition("/")[0] for name in splits[name_][speaker]}
            for name_ in ("val", "train")
        )
        assert len(held_out) == 2 and len(trained_on) == 2 and not held_out & trained_on
    for split, size in (("train", 3), ("dev", 2), ("eval", 2)):
        assert sum(PEOPLE[speaker] == "f" for speaker in splits[split]) == size
    for split, name in (("val", "val"), ("dev", "dev"), ("eval", "eval")):
        trials = read_trials(corpus / f"{name}_trials.txt")
        known = {each for names in splits[split].values() for each in names}
        assert {*trials.enrol, *trials.test} <= known and trials.labels.min() == 0
    said = capsys.readouterr().out
    assert "left out: 4 of VoxCeleb1's test set, 2 of VoxCeleb2's test set, who may be in" in said
    assert "eval_trials.txt: 93 trials: not the veri_test2.txt that is published" in said
    assert "  train     6 speakers (3 f, 3 m)     12 sessions      24 utterances" in said


def test_the_table_tells_sex_nationality_split_and_class(vox, tmp_path):
    corpus = make(vox, tmp_path)
    splits = splits_of(corpus)
    with open(corpus / "tiny_meta.csv", encoding="utf-8") as fin:
        rows = {row["id"]: row for row in csv.DictReader(fin)}
    assert {name for name, row in rows.items() if row["set"] == "train"} == splits["train"].keys()
    assert [rows[name]["idx"] for name in sorted(splits["train"])] == list("012345")
    assert {name for name, row in rows.items() if row["set"] == "eval"} == TEST
    assert not any(rows[name]["idx"] for name in (*splits["dev"], *TEST))
    assert all(row["gender"] == PEOPLE[name] for name, row in rows.items())
    assert all(row["nationality"] for name, row in rows.items() if name > "id10000")


@pytest.mark.parametrize("layout, meta", [("aac", "commas"), ("zips", "tabs"), ("links", "tabs")])
def test_the_same_choice_comes_from_another_layout(vox, tmp_path, layout, meta):
    other = tmp_path / "other"
    build_vox(other, layout, meta=meta)
    first, second = make(vox, tmp_path / "a"), make(other, tmp_path / "b")
    assert choice_of(first) == choice_of(second)
    for name in ("val_trials.txt", "dev_trials.txt", "eval_trials.txt", "tiny_meta.csv"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    paths = [path for _, _, path in read_utterances(second / "utterances.csv")]
    assert all(str(other) in path or layout == "links" for path in paths)
    if layout == "aac":
        # What is written down makes the same again, also without seed and tables.
        for table in other.glob("*_meta.csv"):
            table.unlink()
        third = make(other, tmp_path / "c", choice=str(first / "utterances.csv"), seed=7)
        assert choice_of(third) == choice_of(first)
        for name in ("val_trials.txt", "dev_trials.txt", "eval_trials.txt"):
            assert (first / name).read_bytes() == (third / name).read_bytes()


def test_a_written_choice_alone_draws_its_trials_and_finds_its_list(vox, tmp_path):
    first = make(vox, tmp_path / "a")
    shutil.copy(first / "utterances.csv", tmp_path / "mine.csv")
    second = make(vox, tmp_path / "b", choice=str(tmp_path / "mine.csv"))
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()


def test_more_speakers_keep_dev_and_what_is_held_out(vox, tmp_path):
    few, many = (splits_of(make(vox, tmp_path / str(n), speakers=n)) for n in (4, 10))
    assert few["dev"] == many["dev"]
    assert few["train"].items() < many["train"].items()
    assert few["val"].items() < many["val"].items()


def test_who_is_in_a_list_that_is_evaluated_is_not_trained_on(vox, tmp_path, capsys):
    first = sorted({name for name in PEOPLE if name > "id10000"})
    everyone = sorted(path for path in vox.rglob("*.wav") if path.parts[-3] in first)
    names = ["/".join(path.with_suffix("").parts[-3:]) for path in everyone]
    hard = write_list(tmp_path / "list_test_hard2.txt", names, first)
    corpus = make(vox, tmp_path / "h", evaluate=f"O,{hard}")
    splits = splits_of(corpus)
    assert splits["eval"].keys() == {*first}
    assert all(name < "id10000" for name in splits["train"].keys() | splits["dev"].keys())
    assert (corpus / "eval_trials_H.txt").read_bytes() == hard.read_bytes()
    assert (corpus / "eval_trials.txt").is_file()
    assert "10 of the lists that are evaluated" in capsys.readouterr().out
    only = shutil.copytree(vox, tmp_path / "only", ignore=shutil.ignore_patterns("vox2*"))
    with pytest.raises(RecipeError, match="0 speakers have 4 .*nobody is left to train on") as told:
        make(only, tmp_path / "none", evaluate=str(hard))
    assert "4 of VoxCeleb1's test set, 10 of the lists" in str(told.value)
    assert not (tmp_path / "none" / "corpus").exists()
    make(only, tmp_path / "fine", evaluate="none", speakers=4)
    assert "eval" not in splits_of(tmp_path / "fine" / "corpus")


@pytest.mark.parametrize("given", [True, False], ids=["given", "found"])
@pytest.mark.parametrize(
    "text", ["id00012\nid00014\n", "vox2,vox1\nid00012 , id10001\nid00014 , id10002\n"]
)
def test_who_is_in_both_voxcelebs_is_left_out_where_a_list_tells(vox, tmp_path, given, text):
    folder = vox
    if not given:
        folder = tmp_path / "copy"
        folder.mkdir()
        for path in vox.iterdir():
            (folder / path.name).symlink_to(path)
    path = (tmp_path if given else folder) / "vox_overlap.txt"
    path.write_text(text)
    options = {"overlap": str(path) if given else None, "speakers": 14}
    splits = splits_of(make(folder, tmp_path / "out", **options))
    assert len(splits["train"]) == 14
    assert not {"id00012", "id00014"} & (splits["train"].keys() | splits["dev"].keys())


def test_who_may_be_there_by_name_and_by_id_is_not_two_people(vox, tmp_path, capsys):
    """Without a table nothing tells that two folders hold one person's voice."""
    folder = tmp_path / "data"
    build_vox(folder, meta=None)
    build_vox(folder, "names", meta=None)
    splits = splits_of(make(folder, tmp_path / "out", speakers=None))
    assert not [name for people in splits.values() for name in people if name[:2] != "id"]
    assert "10 called by names, who may be among those with ids" in capsys.readouterr().out


def test_another_choice_is_refused_where_there_is_one(vox, tmp_path, capsys):
    corpus = make(vox, tmp_path)
    before = (corpus / "utterances.csv").stat().st_mtime_ns
    make(vox, tmp_path)
    assert (corpus / "utterances.csv").stat().st_mtime_ns == before
    assert "as it was prepared earlier" in capsys.readouterr().out
    message = (
        f"holds voxceleb from {vox}, seed 123, speakers 6, dev_speakers 4, not .* speakers 8, "
    )
    with pytest.raises(RecipeError, match=message):
        make(vox, tmp_path, speakers=8)


@pytest.mark.parametrize("name", ["utterances.csv", "dev_trials.txt", "tiny_meta.csv"])
def test_killed_while_it_writes_it_leaves_nothing_half_written(vox, tmp_path, name):
    killed = f"""
import os, sys
from local.corpora.voxceleb.choice import Amounts
from local.corpora.voxceleb.corpus import prepare_voxceleb
from local.corpora.voxceleb.options import VoxCelebOptions
def kill(event, values):
    if event == "os.rename" and str(values[1]).endswith({name!r}):
        os.kill(os.getpid(), 9)
sys.addaudithook(kill)
options = VoxCelebOptions(Amounts(**{FEW!r}))
prepare_voxceleb({str(vox)!r}, {str(tmp_path / "corpus")!r}, options=options)
"""
    answer = subprocess.run([sys.executable, "-c", killed], cwd=RECIPE, capture_output=True)
    assert answer.returncode == -signal.SIGKILL, answer.stderr
    assert not (tmp_path / "corpus").exists() and any(tmp_path.iterdir())
    prepare_voxceleb(vox, tmp_path / "corpus", options=VoxCelebOptions(Amounts(**FEW)))
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]
    assert not list((tmp_path / "corpus").glob(".*"))

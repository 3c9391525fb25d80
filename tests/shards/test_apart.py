"""Splits that share speakers, utterances or audio: told when written and when a training starts."""

import re
import time

import numpy as np
import pytest

import train_speaker_embeddings
from local.dataset import ShardData
from local.errors import RecipeError
from local.shards import check_apart, known_speakers, same_audio, write_shards
from running import PROTOTYPE, QUICK, data_options, one_line
from shard_writing import member_pair, wav_bytes, write_tar

GOOD = {"train": ["a/x/0", "b/x/0"], "val": ["a/y/0"], "dev": ["c/x/0", "d/x/0"]}
SHARED = {
    "dev speaker in train": ("dev", "a/z/9", "dev speakers that are in train or val too: 1 (a)"),
    "utterance in val": ("val", "b/x/0", "utterances both in train and val: 1 (b/x/0)"),
    "the same in dev": ("dev", "a/y/0", "too: 1 (a); utterances both in val and dev: 1 (a/y/0)"),
}

NOT_COMPARED = "note: audio of {} was not compared with that of other splits and speakers: "


def splits_with(split, sample_id):
    return {name: ids + [sample_id] * (name == split) for name, ids in GOOD.items()}


def make_tree(folder, splits, audio=None):
    for split, ids in {**splits, "eval": ["wav/h0"]}.items():
        for sample_id in ids:
            path = folder / "tree" / split / f"{sample_id}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            seed = (audio or {}).get(sample_id) or list(f"{split}{sample_id}".encode())
            path.write_bytes(wav_bytes(2000, seed=seed))
    (folder / "meta.csv").write_text("id,idx\na,0\nb,1\n")
    return folder / "tree", folder / "meta.csv", folder / "shards"


def make_shards(folder, splits):
    """Each split by itself, as from somewhere else."""
    for split, ids in splits.items():
        members = []
        for number, sample_id in enumerate(ids):
            idx = None if split == "dev" else "ab".index(sample_id[0])
            members += member_pair(number, sample_id, idx, 2000)
        write_tar(folder / split / "shard-000000.tar", members)


def make_data(folder, **options):
    shards = {f"{split}_shards": str(folder / split) for split in GOOD}
    settings = {"epochs": 1, "batch_size": 2, "crop_frames": 1600, "seed": 0}
    return ShardData(**shards, index_folder=str(folder / "index"), **settings, **options)


def test_splits_that_are_apart(tmp_path, capsys):
    write_shards(*make_tree(tmp_path, GOOD))
    assert not re.search(
        "warning: .*(same audio|utterances|speakers that)", capsys.readouterr().err
    )
    assert make_data(tmp_path / "shards").dev_speakers == "unseen speakers"
    assert "warning" not in capsys.readouterr().err


@pytest.mark.parametrize("split, sample_id, message", SHARED.values(), ids=SHARED.keys())
def test_shared_ids_when_shards_are_written(tmp_path, split, sample_id, message, capsys):
    arguments = make_tree(tmp_path, splits_with(split, sample_id))
    with pytest.raises(RecipeError, match=re.escape(message)):
        write_shards(*arguments)
    assert not list(tmp_path.glob("shards/*"))
    write_shards(*arguments, allow_shared_ids=True)
    assert message in capsys.readouterr().err


def test_shared_ids_with_shards_that_were_written_before(tmp_path):
    write_shards(*make_tree(tmp_path, {"train": GOOD["train"]}))
    with pytest.raises(RecipeError, match="dev speakers that are in train or val too: 1"):
        write_shards(*make_tree(tmp_path, {"dev": ["b/w/1"]}))


@pytest.mark.parametrize("split, sample_id, message", SHARED.values(), ids=SHARED.keys())
def test_shared_ids_when_a_training_starts(tmp_path, split, sample_id, message, capsys):
    make_shards(tmp_path, splits_with(split, sample_id))
    with pytest.raises(RecipeError, match=re.escape(message)):
        make_data(tmp_path)
    data = make_data(tmp_path, allow_shared_ids=True)
    assert message in capsys.readouterr().err
    known = "1 of 3 speakers known from training" if split == "dev" else "unseen speakers"
    assert data.dev_speakers == known


@pytest.mark.parametrize(
    "audio, message",
    [
        ({"a/x/0": 1, "c/x/0": 1}, "recordings with the same audio in two splits: 1 ("),
        ({"a/x/0": 1, "b/x/0": 1}, "recordings with the same audio under two speakers: 1 ("),
        ({"a/x/0": 1, "wav/h0": 1}, "in two splits: 1 (train/a/x/0 = eval/eval/wav/h0)"),
        ({"a/x/0": 1, "a/y/0": 1, "b/x/0": 1}, "in two splits: "),
    ],
)
def test_the_same_audio_is_a_warning(tmp_path, audio, message, capsys):
    arguments = make_tree(tmp_path, GOOD, audio)
    write_shards(*arguments)
    assert message in capsys.readouterr().err


def test_the_same_audio_as_in_a_split_that_was_written_before(tmp_path, capsys):
    write_shards(*make_tree(tmp_path, {"train": GOOD["train"]}, {"a/x/0": 1, "b/x/0": 2}))
    write_shards(*make_tree(tmp_path, {"dev": GOOD["dev"]}, {"d/x/0": 2}))
    told = "recordings with the same audio in two splits: 1 (train/b/x/0 = dev/d/x/0)"
    assert told in capsys.readouterr().err


SAME = {"a/x/0": 1, "a/y/0": 1, "c/x/0": 2, "d/x/0": 2}
SAME_TOLD = (
    "warning: recordings with the same audio in two splits: 1 (train/a/x/0 = val/a/y/0); "
    "recordings with the same audio under two speakers: 1 (dev/c/x/0 = dev/d/x/0)\n"
)


def test_the_same_audio_when_a_training_starts(tmp_path, capsys):
    write_shards(*make_tree(tmp_path, GOOD, SAME))
    capsys.readouterr()
    make_data(tmp_path / "shards")
    assert capsys.readouterr().err == SAME_TOLD
    make_data(tmp_path / "shards", stage_shards_to=str(tmp_path / "staged"))
    assert capsys.readouterr().err == SAME_TOLD
    for manifest in (tmp_path / "shards").glob("*/shards.json"):
        manifest.unlink()  # as the original's, which have none
    make_data(tmp_path / "shards")
    assert re.fullmatch(f"{NOT_COMPARED.format('train, val, dev')}.*\n", capsys.readouterr().err)


def test_without_decoding_nobody_knows_the_audio(tmp_path, capsys):
    arguments = make_tree(tmp_path, GOOD, SAME)
    for _ in range(2):
        write_shards(*arguments, check=False)
        err = capsys.readouterr().err
        assert len(re.findall(NOT_COMPARED.format("train, val, dev, eval"), err)) == 1
    make_data(tmp_path / "shards")
    err = capsys.readouterr().err
    assert "same audio" not in err
    assert len(re.findall(NOT_COMPARED.format("train, val, dev"), err)) == 1


@pytest.mark.parametrize("split", GOOD)
def test_a_split_whose_audio_is_not_known_is_named(tmp_path, split, capsys):
    write_shards(*make_tree(tmp_path, GOOD, SAME))
    (tmp_path / "shards" / split / "shards.json").unlink()
    capsys.readouterr()
    make_data(tmp_path / "shards")
    assert len(re.findall(NOT_COMPARED.format(split), capsys.readouterr().err)) == 1
    write_shards(tmp_path / "tree", tmp_path / "meta.csv", tmp_path / "shards")
    assert len(re.findall(NOT_COMPARED.format(split), capsys.readouterr().err)) == 1


def test_the_same_audio_among_a_million_is_found_at_once():
    digests = np.random.default_rng(0).integers(256, size=(1_000_000, 16), dtype=np.uint8)
    digests[[5, 999_999]], digests[10:1000] = digests[7], 0
    ids = np.array([f"s{row}/x/0".encode() for row in range(len(digests))])
    start = time.perf_counter()
    told = same_audio({"train": (ids[:-1], digests[:-1]), "val": (ids[-1:], digests[-1:])})
    assert time.perf_counter() - start < 5
    assert told == (
        "recordings with the same audio in two splits: 1 (train/s5/x/0 = val/s999999/x/0); "
        "recordings with the same audio under two speakers: 1 (train/s5/x/0 = train/s7/x/0)"
    )


def test_a_training_with_known_dev_speakers_says_so(small, tmp_path, capsys):
    argv = [PROTOTYPE, *data_options(small), *QUICK, "--epochs", "1"]
    argv += ["--dev_shards", f"{small.shards}/val"]
    argv += ["--dev_trials_path", str(small.corpus / "val_trials.txt")]
    argv += ["--output_folder", str(tmp_path / "run")]
    message = one_line(capsys, train_speaker_embeddings.main, argv)
    assert "dev speakers that are in train" in message and "allow_shared_ids" in message
    train_speaker_embeddings.main([*argv, "--allow_shared_ids", "True"])
    result = (tmp_path / "run/dev_eer.txt").read_text()
    assert "speakers known from training)" in result and "unseen" not in result


def test_one_recording_twice_of_one_speaker_is_told():
    ids = np.array([b"a/x/0", b"a/x/copy", b"b/y/0"])
    digests = np.array([[1] * 32, [1] * 32, [2] * 32], np.uint8)
    found = same_audio({"dev": (ids, digests)})
    assert found == (
        "recordings with the same audio twice of one speaker: 1 (dev/a/x/0 = dev/a/x/copy)"
    )


def test_speakers_are_the_same_in_both_forms_of_unicode():
    assert known_speakers(["Ju\u0308rgen/a/0"], ["Jürgen/b/0"]) == ["Jürgen"]
    with pytest.raises(RecipeError, match="dev speakers that are in train or val too: 1"):
        check_apart({"train": ["Jürgen/b/0"], "dev": ["Ju\u0308rgen/a/0"]}, allow=False)


NFC, NFD = "J\xfcrgen", "Ju\u0308rgen"


@pytest.mark.parametrize("split", ["train", "val", "dev"])
@pytest.mark.parametrize("names", [(f"{NFC}/x/0", f"{NFD}/z/1"), (f"a/{NFC}/0", f"a/{NFD}/0")])
def test_names_in_two_forms_that_look_alike_are_an_error(tmp_path, split, names):
    """Of one speaker two classes were made, where folders of two disks had been merged."""
    splits = {**GOOD, split: [*GOOD[split], *names]}
    tree, meta, out = make_tree(tmp_path, splits)
    meta.write_text(f"id,idx\na,0\nb,1\n{NFC},2\n{NFD},3\n", encoding="utf-8")
    with pytest.raises(RecipeError, match=rf"{split}: names that look alike.*J\\xfc") as caught:
        write_shards(tree, meta, out, allow_shared_ids=True)
    assert r"Ju\u0308rgen" in str(caught.value) and not list(out.glob("*"))
    with pytest.raises(RecipeError, match="names that look alike"):
        check_apart(splits, allow=True)


@pytest.mark.parametrize("split", ["train", "dev"])
def test_speakers_who_differ_in_letter_case_are_told(tmp_path, capsys, split):
    tree, meta, out = make_tree(tmp_path, splits_with(split, "A/z/1"))
    meta.write_text("id,idx\na,0\nb,1\nA,2\n")
    write_shards(tree, meta, out)
    told = "warning: speakers whose names differ in letter case only: 1 ('A' and 'a')"
    assert told in capsys.readouterr().err
    make_data(out)
    assert told in capsys.readouterr().err


def test_letter_case_of_all_alphabets():
    splits = {**GOOD, "train": ["\u0416ora/x/0", "\u0436ORA/x/0", "STRASSE/x/0", "stra\xdfe/x/0"]}
    assert "letter case only: 2 (" in check_apart(splits, allow=False)

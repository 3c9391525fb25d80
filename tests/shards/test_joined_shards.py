"""Several shard folders as one training set: that of one folder in which all had been written."""

import gzip
from pathlib import Path

import numpy as np
import pytest

import train_speaker_embeddings
from http_server import HttpServer
from local.dataset import BatchLoader, CropOrder, make_crops
from local.errors import RecipeError
from local.experiment import training_shards
from local.shards import prepare_split, speakers_by_class
from running import PROTOTYPE, QUICK, data_options, one_line
from shard_writing import member_pair, write_tar

pytestmark = pytest.mark.long


def write(folder, speakers, shards=(0, 1), first_class=0, session="x"):
    """Three utterances a speaker, turn by turn in two shards; class 0 is the last speaker's."""
    for shard in shards:
        members = []
        for number, speaker in enumerate(speakers * 3):
            class_idx = first_class + len(speakers) - 1 - number % len(speakers)
            if number % 2 == shard % 2:
                sample_id = f"{speaker}/{session}/{number}"
                members += member_pair(number, sample_id, class_idx, 4000 + 300 * number)
        write_tar(folder / f"shard-{shard:06d}.tar", members)
    return folder


def pack(folder):
    for shard in folder.glob("*.tar"):
        Path(f"{shard}.gz").write_bytes(gzip.compress(shard.read_bytes(), 1))
        shard.unlink()


def batches(index):
    """An epoch's batches, bit for bit."""
    order = CropOrder(index, batch_size=4, seed=3, crops_per_utterance=2, shuffle_buffer=7)
    loader = BatchLoader(make_crops(order, crop_frames=4500), order)
    loader.set_epoch(2)
    return [(b.ids, b.signals.numpy().tobytes(), b.classes.tolist()) for b in loader]


@pytest.fixture
def folders(tmp_path):
    """Two corpora, and both written into one."""
    write(tmp_path / "one", ["c", "a", "b"])
    write(tmp_path / "two", ["e", "d"])
    write(tmp_path / "both", ["c", "a", "b"])
    write(tmp_path / "both", ["e", "d"], shards=(2, 3), first_class=3)
    return tmp_path


@pytest.mark.parametrize("streamed", [False, True])
def test_joined_is_as_if_written_together(folders, streamed):
    if streamed:
        for name in ("one", "two", "both"):
            pack(folders / name)
    joined = prepare_split(f"{folders}/one,{folders}/two", "train", folders / "index")
    together = prepare_split(str(folders / "both"), "train", folders / "other_index")
    assert joined.mapped is not streamed
    assert speakers_by_class(joined) == ["b", "a", "c", "d", "e"] == speakers_by_class(together)
    assert batches(joined) == batches(together)
    # As read from the file in which the index is kept, and from staged copies
    again = prepare_split(f"{folders}/one,{folders}/two", "train", folders / "index")
    assert np.array_equal(again.class_idx, together.class_idx)
    if not streamed:
        staged = prepare_split(
            f"{folders}/one,{folders}/two", "train", folders / "i", stage_shards_to=folders / "fast"
        )
        assert {shard.parent.name for shard in staged.shards} == {"train"}
        assert batches(staged) == batches(together)


@pytest.mark.parametrize("option", ["", "stage_shards_to", "shard_cache"])
def test_each_source_is_listed_once(folders, option):
    with HttpServer(folders) as server:
        source = f"{server.url}/one,{server.url}/two"
        options = {option: str(folders / "near")} if option else {}
        index = prepare_split(source, "train", folders / "index", **options)
        asked = [path for method, path, _ in server.requests if method == "GET"]
        assert [asked.count(f"/{name}/") for name in ("one", "two")] == [1, 1]
        assert len(speakers_by_class(index)) == 5


def test_a_name_in_two_corpora(folders):
    write(folders / "three", ["f", "a"], session="y")
    with pytest.raises(RecipeError, match=f"{folders}/three: speaker a is in {folders}/one too"):
        prepare_split(f"{folders}/one,{folders}/two,{folders}/three", "train", folders / "index")


def test_gaps_are_told_of_all_folders(folders):
    write(folders / "three", ["f", "g"], first_class=1)
    joined = prepare_split(f"{folders}/one,{folders}/three", "train", folders / "index")
    with pytest.raises(RecipeError, match=f"one,{folders}/three: class_idx has gaps: 5 classes"):
        speakers_by_class(joined)


def test_training_on_two_corpora(small, tmp_path, capsys):
    other = write(tmp_path / "other", ["y", "z"])
    argv = [PROTOTYPE, *data_options(small), *QUICK, "--epochs", "1"]
    both = f"{small.shards}/train,{other}"
    run = tmp_path / "run"
    train_speaker_embeddings.main([*argv, "--train_shards", both, "--output_folder", str(run)])
    assert training_shards(run) == both.split(",")
    assert (run / "inference/label_encoder.ckpt").read_text().count("=>") >= 8  # 6 and 2 speakers
    # The val shards are those of the first folder: those of another would have other classes.
    swapped = f"{other},{small.shards}/train"
    argv += ["--train_shards", swapped, "--output_folder", str(tmp_path / "swapped")]
    message = one_line(capsys, train_speaker_embeddings.main, argv)
    assert "belongs to y in the training shards (of several, the first is" in message

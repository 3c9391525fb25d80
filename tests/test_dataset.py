"""Batches: every utterance once, crops inside utterances, the same whatever the workers are."""

import collections

import numpy as np
import pytest
import torch

from local.audio import decode, random_crops
from local.dataset import CropBatches, UtteranceBatches, batched
from local.errors import RecipeError
from local.shards import index_shards, read_shards
from shard_writing import member_pair, original_layout, wav_bytes, write_tar


def crops(index, **options):
    options = {"crop_frames": 4000, "batch_size": 4, "seed": 1, **options}
    return CropBatches(index, **options)


def content(batches):
    return [(batch.ids, batch.signals.numpy().tobytes()) for batch in batches]


@pytest.fixture
def index(tmp_path):
    original_layout(tmp_path, counts=(5, 5, 3))
    return index_shards(tmp_path)


@pytest.mark.parametrize("num_workers", [0, 1, 2, 5])
@pytest.mark.parametrize("crops_per_utterance", [1, 3])
def test_every_utterance_once_an_epoch(index, num_workers, crops_per_utterance):
    data = crops(index, num_workers=num_workers, crops_per_utterance=crops_per_utterance)
    data.set_epoch(2)
    batches = list(data)
    assert len(batches) == len(data)
    seen = collections.Counter(key for batch in batches for key in batch.ids)
    assert seen == {sample.key: crops_per_utterance for sample in index.samples}
    assert all(batch.signals.shape == (len(batch), 4000) for batch in batches)


def test_workers_and_buffer_do_not_change_the_data(index):
    expected = content(crops(index))
    assert content(crops(index, num_workers=3)) == expected  # three workers, three shards
    assert content(crops(index, num_workers=4)) == expected  # more workers than shards
    assert len(content(crops(index, shuffle_buffer=2))) == len(expected)


def test_epochs_and_seeds_differ_and_repeat(index):
    data = crops(index)
    epochs = []
    for epoch in (1, 2, 1):
        data.set_epoch(epoch)
        epochs.append(content(data))
    assert epochs[0] == epochs[2] != epochs[1]
    other = crops(index, seed=2)
    other.set_epoch(1)
    assert content(other) != epochs[0]


def test_crops_lie_in_their_utterance(index):
    whole = {sample.key: decode(audio, sample) for sample, audio in read_shards(index.shards)}
    classes = {sample.key: sample.class_idx for sample in index.samples}
    for batch in crops(index, crops_per_utterance=2):
        for key, crop, label in zip(batch.ids, batch.signals.numpy(), batch.classes, strict=True):
            windows = np.lib.stride_tricks.sliding_window_view(whole[key], len(crop))
            assert (windows == crop).all(axis=1).any()
            assert classes[key] == label


def test_few_and_many_crops_of_an_utterance_are_the_same(index):
    sample, audio = next(read_shards(index.shards))
    # 3 x 4000 samples are decoded crop by crop, 8 x 4000 from the whole of 16000.
    few, many = (
        random_crops(audio, sample, 4000, count, np.random.default_rng(0)) for count in (3, 8)
    )
    assert all(np.array_equal(*pair) for pair in zip(few, many, strict=False))
    assert len({crop.tobytes() for crop in many}) == 8


def test_short_utterances_are_repeated(index):
    (batch, *_) = crops(index, crop_frames=40000)
    assert batch.signals.shape[1] == 40000
    for key, crop in zip(batch.ids, batch.signals, strict=True):
        length = next(sample.num_frames for sample in index.samples if sample.key == key)
        assert torch.equal(crop[:1000], crop[length : length + 1000])


def test_no_batch_of_one(index):
    assert [len(batch) for batch in crops(index, batch_size=12)] == [13]
    assert [len(group) for group in batched(range(3), 1)] == [1, 1, 1]
    assert list(batched([], 2)) == []


@pytest.mark.parametrize("num_workers", [0, 2])
def test_whole_utterances(index, num_workers):
    data = UtteranceBatches(index, batch_size=2, min_frames=8000, num_workers=num_workers)
    batches = list(data)
    assert len(batches) == len(data)
    lengths = {sample.key: sample.num_frames for sample in index.samples}
    seen = [key for batch in batches for key in batch.ids]
    assert sorted(seen) == sorted(lengths)
    for batch in batches:
        assert len(batch) <= 2
        assert {lengths[key] for key in batch.ids} == {batch.signals.shape[1]}


def test_very_short_utterances_are_repeated_for_the_network(tmp_path):
    members = member_pair(0, "a/x/0", None, 100) + member_pair(1, "b/x/0", None, 9000)
    write_tar(tmp_path / "shard-000000.tar", members)
    batches = UtteranceBatches(index_shards(tmp_path), min_frames=8000)
    assert sorted(batch.signals.shape[1] for batch in batches) == [8000, 9000]


BAD_AUDIO = {
    "unreadable": (b"not audio", "b/x/1: unreadable audio"),
    "empty": (wav_bytes(0), "b/x/1: the audio holds 0 samples"),
    "another rate": (wav_bytes(16000, rate=8000), "b/x/1: the audio is 8000 Hz"),
    "cut off": (wav_bytes()[:9000], "b/x/1: the audio holds"),
}


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("audio, message", BAD_AUDIO.values(), ids=BAD_AUDIO.keys())
def test_bad_audio_is_one_line(tmp_path, audio, message, num_workers):
    members = member_pair(0, "a/x/0", 0) + member_pair(1, "b/x/1", 1, audio=audio)
    write_tar(tmp_path / "shard-000000.tar", members)
    data = crops(index_shards(tmp_path), num_workers=num_workers)
    with pytest.raises(RecipeError, match=message) as error:
        list(data)
    assert "\n" not in str(error.value)

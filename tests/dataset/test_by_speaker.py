"""Batches of groups of one speaker's crops."""

import collections
import gzip

import numpy as np
import pytest

from crop_batches import content, in_processes, make_loader
from local.dataset import CropOrder
from local.dataset.by_speaker import speaker_groups
from local.errors import RecipeError
from local.shards import index_shards
from shard_writing import member_pair, write_tar


@pytest.fixture
def index(tmp_path):
    """Of five speakers with 3, 3, 3, 3 and 9 utterances."""
    members = []
    for number in range(21):
        speaker = min(number // 3, 4)
        members += member_pair(number, f"id{speaker}/x/{number}", speaker, 4000)
    write_tar(tmp_path / "shard-000000.tar", members)
    return index_shards(tmp_path)


@pytest.mark.parametrize("size", [2, 3, 5])
def test_groups(size):
    classes = np.repeat([4, 7, 9], [5, 8, 17])
    seen = collections.Counter()
    for seed in range(200):
        groups = speaker_groups(classes, size, np.random.default_rng(seed))
        assert groups.shape == (30 // size, size)
        for group in groups:
            assert len(set(group)) == size and len(set(classes[group])) == 1
        seen.update(groups.reshape(-1).tolist())
    # Every item about as often as before: of 200 epochs, two thirds at the least.
    assert len(seen) == 30 and min(seen.values()) > 130


@pytest.mark.parametrize("world", [1, 2])
def test_each_process_has_whole_groups(index, monkeypatch, world):
    options = {"batch_size": 12, "crops_per_utterance": 2, "crops_per_speaker": 3}
    parts = []
    for _ in in_processes(monkeypatch, world):
        loader = make_loader(index, **options)
        parts.append(content(loader))
        for batch in loader:
            for group in batch.classes.reshape(-1, 3).tolist():
                assert len(set(group)) == 1
        assert content(make_loader(index, start=1, **options)) == parts[-1][1:]
        assert content(make_loader(index, epoch=2, **options)) != parts[-1]
    crops = [signals for part in parts for ids, signals, *_ in part]
    assert sum(len(ids) for part in parts for ids, *_ in part) == 42  # as many as without groups
    assert len(set(crops)) == len(crops)
    sizes = [sum(len(part[number][0]) for part in parts) for number in range(len(parts[0]))]
    assert sizes == loader.order.sizes() == ([12, 12, 12, 6] if world == 1 else [12, 12, 18])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"crops_per_speaker": 3}, "batch_size 4: expected a multiple of crops_per_speaker 3"),
        ({"crops_per_speaker": 4}, "crops_per_speaker 4: id0 gives 3 crops an epoch"),
        ({"crops_per_speaker": 2, "speaker_balanced": True}, "choose one of them"),
        ({"crops_per_speaker": 0}, "expected at least 1"),
    ],
)
def test_groups_that_cannot_be(index, options, message):
    with pytest.raises(RecipeError, match=message):
        CropOrder(index, batch_size=4, seed=1, **options)


@pytest.mark.parametrize("option", [{"speaker_balanced": True}, {"crops_per_speaker": 2}])
def test_streamed_shards_come_in_their_order(index, option):
    (shard,) = index.shards
    packed = shard.with_name("packed") / "shard-000000.tar.gz"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress(shard.read_bytes()))
    with pytest.raises(RecipeError, match=f"{next(iter(option))}: the shards in .* are streamed"):
        CropOrder(index_shards(packed.parent), batch_size=4, seed=1, **option)

"""The length of a training in steps: exact, in equal epochs, every utterance as often as others."""

import itertools
from collections import Counter

import numpy as np
import pytest

from crop_batches import content, in_processes
from local.dataset import BatchLoader, CropOrder, IndexedCrops, StreamedCrops
from local.dataset.sized import SizedOrder, make_order
from local.errors import RecipeError
from local.shards import index_shards
from shard_writing import member_pair, write_tar

UTTERANCES = 23
EPOCHS = {"epochs": 3, "steps": 0, "max_steps": 0, "crops_per_utterance": 2, "min_epoch_steps": 0}


@pytest.fixture
def index(tmp_path):
    return index_shards(write(tmp_path / "shards"))


def write(folder, ending=".tar"):
    """Utterances of four speakers, over three shards."""
    for shard in range(3):
        numbers = range(shard, UTTERANCES, 3)
        members = [member_pair(n, f"id{n % 4}/v{n}/0", n % 4, 5000 + 99 * n) for n in numbers]
        write_tar(folder / f"shard-{shard:06d}{ending}", itertools.chain(*members))
    return folder


def all_batches(order, epochs):
    """The batches (lists of items) of each epoch."""
    found = []
    for epoch in range(1, epochs + 1):
        order.set_epoch(epoch)
        assert len(order) == len(order.sizes())
        found.append(list(order))
    return found


@pytest.mark.parametrize("steps, epochs", [(7, 7), (17, 4), (100, 3), (4, 4), (1000, 9)])
@pytest.mark.parametrize("batch_size", [4, 50])  # a part of a pass, and more than one
def test_steps_are_exact_and_utterances_come_equally_often(index, steps, epochs, batch_size):
    order = make_order(
        index, **EPOCHS | {"steps": steps, "epochs": epochs}, batch_size=batch_size, seed=1
    )
    found = all_batches(order, epochs)
    lengths = [len(batches) for batches in found]
    assert sum(lengths) == steps == order.batches_before(epochs + 1)
    assert max(lengths) - min(lengths) <= 1
    begins = [order.batches_before(epoch) for epoch in range(1, epochs + 2)]
    assert np.diff(begins).tolist() == lengths
    counts = Counter()
    for batches in found:
        assert all(len(batch) == batch_size for batch in batches)
        items = list(itertools.chain(*batches))
        assert len(set(items)) == len(items)  # no crop twice in an epoch, whose seeds they have
        counts.update(item // order.crops_per_utterance for item in items)
    often = [counts[row] for row in range(UTTERANCES)]
    assert max(often) - min(often) <= order.crops_per_pass
    assert order.crops_per_pass == max(1, steps * batch_size // epochs // UTTERANCES)


def test_steps_that_are_whole_passes_are_the_training_told_in_epochs(index):
    """So a bound that is just reached changes nothing."""
    options = {"batch_size": 23, "seed": 5}
    told = make_order(index, **EPOCHS, **options)
    assert type(told) is CropOrder and told.batches_before(4) == 6
    sized = make_order(index, **EPOCHS | {"steps": 6}, **options)
    assert type(sized) is SizedOrder
    assert all_batches(sized, 3) == all_batches(told, 3)


def test_a_bound_is_taken_where_there_would_be_more(index):
    options = {"batch_size": 23, "seed": 5}
    for bound in (0, 6, 7):
        assert type(make_order(index, **EPOCHS | {"max_steps": bound}, **options)) is CropOrder
    bounded = make_order(index, **EPOCHS | {"max_steps": 5}, **options)
    assert bounded.steps == 5 and bounded.crops_per_pass == 1
    given = make_order(index, **EPOCHS | {"max_steps": 5, "steps": 9}, **options)
    assert given.steps == 9


def test_groups_of_a_speaker_stay_together(index):
    order = make_order(index, **EPOCHS | {"steps": 29}, batch_size=6, seed=1, crops_per_speaker=3)
    classes = []
    for batch in itertools.chain(*all_batches(order, 3)):
        rows = np.array(batch) // order.crops_per_utterance
        groups = index.class_idx[rows].reshape(-1, 3)
        assert (groups == groups[:, :1]).all()
        classes += groups[:, 0].tolist()
    assert len(classes) == 58 and min(Counter(classes).values()) >= 10


def test_a_speaker_of_one_utterance_gives_groups(tmp_path):
    members = [member_pair(n, f"id{n}/v/0", n, 5000) for n in range(6)]
    write_tar(tmp_path / "shard-000000.tar", itertools.chain(*members))
    index, options = index_shards(tmp_path), {"batch_size": 4, "seed": 1, "crops_per_speaker": 2}
    order = make_order(index, **EPOCHS | {"steps": 5, "crops_per_utterance": 1}, **options)
    assert len(all_batches(order, 3)) == 3 and order.crops_per_pass == 2


def test_each_process_has_its_part(index, monkeypatch):
    options = {**EPOCHS, "steps": 10, "batch_size": 6, "seed": 1}
    whole = all_batches(make_order(index, **options), 3)
    parts = [all_batches(make_order(index, **options), 3) for _ in in_processes(monkeypatch, 2)]
    for epoch, batches in enumerate(whole):
        for number, batch in enumerate(batches):
            assert [parts[rank][epoch][number] for rank in range(2)] == [batch[::2], batch[1::2]]
    for _ in in_processes(monkeypatch, 7):
        with pytest.raises(RecipeError, match="7 processes share batches of 6 crops"):
            make_order(index, **options)


@pytest.mark.parametrize(
    "steps, batch_size, num_workers", [(10, 5, 0), (9, 30, 0), (9, 30, 2), (3, 90, 0)]
)
def test_streams_give_the_same_batches(tmp_path, steps, batch_size, num_workers):
    packed = index_shards(write(tmp_path / "packed", ".tar.gz"))
    options = {"batch_size": batch_size, "seed": 5, "shuffle_buffer": 9}
    order = make_order(packed, **EPOCHS | {"steps": steps}, **options)
    plain = index_shards(write(tmp_path / "plain"))
    crops = {"crop_frames": 4000, "seed": 5}
    data = IndexedCrops(plain, **crops, crops_per_utterance=order.crops_per_utterance)
    stream = BatchLoader(StreamedCrops(order, **crops), num_workers=num_workers)
    for epoch, start in ((1, 0), (2, 0), (3, 1), (3, 0)):
        order.set_epoch(epoch, start)
        data.set_epoch(epoch)
        expected = content(BatchLoader(data, order))
        assert len(expected) == len(order) and content(stream) == expected


def test_an_epoch_after_the_last_has_all_speakers(index):
    """To it embeddings are normalised; a learning rate may be sought over more of them."""
    order = make_order(index, **EPOCHS | {"steps": 4}, batch_size=2, seed=1)
    for epoch in range(4, 30):
        order.set_epoch(epoch)
        items = list(itertools.chain(*order))
        assert {item // order.crops_per_utterance for item in items} == set(range(UTTERANCES))


def test_fewer_steps_than_epochs(index):
    with pytest.raises(RecipeError, match=r"steps 2: expected one or more in each of 3 epochs"):
        make_order(index, **EPOCHS | {"steps": 2}, batch_size=2, seed=1)

"""Streams give the batches of the indexed reader bit for bit, whoever reads and from where."""

import gzip
import itertools
import os

import numpy as np
import pytest
import torch

from crop_batches import content, in_processes
from http_server import HttpServer
from local.dataset import BatchLoader, CropOrder, IndexedCrops, StreamedCrops
from local.errors import RecipeError
from local.shards import index_shards, prepare_split, remote
from s3_server import environment, serve_s3
from shard_writing import member_pair, wav_bytes, write_tar

UTTERANCES = 23
OPTIONS = {"crop_frames": 4000, "seed": 5}


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(remote, "FIRST_DELAY", 0.01)


def write(folder, num_shards, ending=".tar"):
    """Utterances of many lengths, one shorter than a crop, one of FLAC, over some shards."""
    for shard in range(num_shards):
        members = []
        for number in range(shard, UTTERANCES, num_shards):
            length = 3000 + 500 * number
            pair = member_pair(number, f"id{number % 4}/v{number}/0", number % 4, length)
            if number == 7:
                (name, _), text = pair
                audio = wav_bytes(length, seed=number, fmt="FLAC")
                pair = [(name.replace(".wav", ".flac"), audio), text]
            members += pair
        path = folder / f"shard-{shard:06d}.tar"
        write_tar(path, members)
        if ending != ".tar":
            packed = gzip.compress(path.read_bytes(), 1)
            path.with_name(path.name.removesuffix(".tar") + ending).write_bytes(packed)
            path.unlink()
    return folder


@pytest.fixture
def packed(tmp_path):
    return index_shards(write(tmp_path / "packed", 3, ".tar.gz"))


def make_order(index, **options):
    return CropOrder(index, **{"batch_size": 4, "seed": 5, "shuffle_buffer": 9, **options})


def indexed(order, folder, num_shards):
    """What IndexedCrops gives for this order, from unpacked copies of the same shards."""
    index = index_shards(write(folder / "plain", num_shards))
    assert (index.sample_ids == order.index.sample_ids).all()
    crops = order.crops_per_utterance
    data = IndexedCrops(index, **OPTIONS, crops_per_utterance=crops)
    data.set_epoch(order.epoch)
    return content(BatchLoader(data, order))


def streamed(order, num_workers=0, **options):
    return content(BatchLoader(StreamedCrops(order, **OPTIONS, **options), num_workers=num_workers))


@pytest.mark.parametrize("num_shards", [1, 2, 5])
@pytest.mark.parametrize("crops_per_utterance", [1, 3])
def test_the_batches_of_the_indexed_reader(tmp_path, num_shards, crops_per_utterance):
    index = index_shards(write(tmp_path / "packed", num_shards, ".tgz"))
    order = make_order(index, crops_per_utterance=crops_per_utterance)
    for epoch, start in ((1, 0), (2, 0), (2, 3)):
        order.set_epoch(epoch, start)
        expected = indexed(order, tmp_path, num_shards)
        assert len(expected) == len(order) == len(StreamedCrops(order, **OPTIONS))
        assert streamed(order) == expected


@pytest.mark.parametrize("num_workers", [1, 2, 4])
def test_any_number_of_workers(packed, num_workers):
    order = make_order(packed)
    loader = BatchLoader(StreamedCrops(order, **OPTIONS), num_workers=num_workers)
    for epoch, start in ((1, 0), (2, 4), (3, 0)):  # the workers live on
        loader.set_epoch(epoch, start)
        batches = content(loader)
        assert batches == streamed(order) and len(batches) == len(order)


@pytest.mark.parametrize("world, num_shards", [(2, 1), (2, 3), (3, 1), (3, 3)])
def test_any_number_of_processes(tmp_path, monkeypatch, world, num_shards):
    index = index_shards(write(tmp_path / "packed", num_shards, ".tar.gz"))
    whole = streamed(make_order(index, batch_size=6))
    parts = []
    for rank in in_processes(monkeypatch, world):
        parts.append(streamed(make_order(index, batch_size=6), num_workers=rank))
    for batch in range(2):  # a short last one joins the one before, the sooner the more there are
        ids = [parts[rank][batch][0] for rank in range(world)]
        assert ids == [whole[batch][0][rank::world] for rank in range(world)]
        signals = [np.frombuffer(parts[rank][batch][1], "<i2") for rank in range(world)]
        expected = np.frombuffer(whole[batch][1], "<i2").reshape(-1, OPTIONS["crop_frames"])
        for rank in range(world):
            assert (signals[rank] == expected[rank::world].reshape(-1)).all()
    seen = [key for part in parts for ids, *_ in part for key in ids]
    assert len(seen) == len(set(seen)) == UTTERANCES


def test_each_utterance_once_and_crops_of_their_own(packed):
    order = make_order(packed, crops_per_utterance=2)
    batches = list(BatchLoader(StreamedCrops(order, **OPTIONS), num_workers=2))
    keys = [key for batch in batches for key in batch.ids]
    assert sorted(keys) == sorted(2 * [packed[row].key for row in range(len(packed))])
    assert all(batch.signals.dtype == torch.int16 for batch in batches)


@pytest.mark.parametrize("cached", [False, True])
def test_http(tmp_path, cached):
    cache = str(tmp_path / "cache") if cached else ""
    with HttpServer(write(tmp_path / "served", 3, ".tar.gz" if cached else ".tar")) as server:
        for name, after in itertools.product("012", (600, 70_000)):
            server.drop(f"shard-00000{name}", after=after)
        index = prepare_split(server.url, "train", tmp_path / "index", shard_cache=cache)
        order = make_order(index)
        assert streamed(order) == indexed(order, tmp_path, 3)
        opened = len(server.gets("shard"))
        server.drop("shard-000001", after=70_000)
        assert streamed(order, num_workers=2) == indexed(order, tmp_path, 3)
        # Without a cache each worker opens each shard once, and once more where it was dropped.
        assert len(server.gets("shard")) - opened == (0 if cached else 2 * 3 + 1)


@pytest.mark.long
def test_s3_in_workers_that_are_forked(tmp_path, monkeypatch):
    write(tmp_path / "bucket/train", 2)
    with serve_s3(tmp_path) as endpoint:
        for name, value in environment(endpoint).items():
            monkeypatch.setenv(name, value)
        import s3fs

        s3fs.S3FileSystem.clear_instance_cache()
        order = make_order(index_shards("s3://bucket/train"))
        assert streamed(order, num_workers=2) == streamed(order) == indexed(order, tmp_path, 2)


def test_commands(tmp_path):
    folder = write(tmp_path / "packed", 2, ".tar.gz")
    order = make_order(index_shards(f"pipe:gzip -dc {folder}/shard-{{000000,000001}}.tar.gz"))
    assert streamed(order, num_workers=2) == indexed(order, tmp_path, 2)


def test_a_resumed_epoch_opens_only_what_it_needs(tmp_path):
    with HttpServer(write(tmp_path / "served", 5)) as server:
        order = make_order(index_shards(server.url), shuffle_buffer=1)
        data = StreamedCrops(order, **OPTIONS)
        before = len(server.gets("shard"))
        order.set_epoch(1, start=4)  # the last one or two of six batches
        list(data)
        assert len(server.gets("shard")) - before in (1, 2)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_shard_that_changes(tmp_path, packed, num_workers):
    loader = BatchLoader(StreamedCrops(make_order(packed), **OPTIONS), num_workers=num_workers)
    os.utime(packed.shards[1])
    with pytest.raises(RecipeError, match=r"shard-000001.tar.gz: has changed meanwhile"):
        list(loader)


def test_a_command_that_gives_something_else(tmp_path):
    folder = write(tmp_path / "data", 1)
    order = make_order(index_shards(f"pipe:cat {folder}/shard-000000.tar"))
    members = [pair for number in range(9) for pair in member_pair(number, f"x/{number}/0", 0, 700)]
    write_tar(folder / "shard-000000.tar", members)
    with pytest.raises(RecipeError, match=r"pipe:.*: changed since it was indexed: id\d"):
        streamed(order)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_damage_is_one_line(tmp_path, packed, num_workers):
    shard = packed.shards[2]
    state = shard.stat()
    written = shard.read_bytes()
    shard.write_bytes(written[:-9000] + bytes(100) + written[-8900:])
    os.utime(shard, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(RecipeError, match=rf"{shard}: truncated or damaged archive") as error:
        streamed(make_order(packed), num_workers=num_workers)
    assert "\n" not in str(error.value)


def test_crops_that_are_too_short(packed):
    with pytest.raises(RecipeError, match="crops of 100 audio samples"):
        StreamedCrops(make_order(packed), crop_frames=100, seed=1)

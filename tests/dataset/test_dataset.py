"""Batches: every crop once, inside its utterance, the same for any workers and processes."""

import collections
import io
import itertools
import pickle
import subprocess
import sys

import numpy as np
import pytest
import soundfile as sf
import torch
from speechbrain.dataio.dataloader import SaveableDataLoader
from speechbrain.dataio.sampler import (
    BalancingDataSampler,
    DistributedSamplerWrapper,
    ReproducibleRandomSampler,
)
from speechbrain.utils.checkpoints import Checkpointer
from torch.utils.data import DataLoader, DistributedSampler

from crop_batches import content, in_processes, make_loader
from local.dataset import BatchLoader, CropOrder, IndexedCrops, Utterances, sample_seed
from local.errors import RecipeError
from local.shards import index_shards, read_shards
from local.shards.audio import decode
from shard_writing import member_pair, original_layout, wav_bytes, write_tar


@pytest.fixture
def index(tmp_path):
    original_layout(tmp_path, counts=(5, 5, 3))
    return index_shards(tmp_path)


@pytest.mark.parametrize("shards", [1, 2, 5])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_every_crop_once_an_epoch(tmp_path, monkeypatch, shards, world):
    original_layout(tmp_path, counts=(4,) * (shards - 1) + (5,))
    index = index_shards(tmp_path)
    expected = None
    for num_workers in (0, 1, 2, 3, 4):
        parts = []
        for _ in in_processes(monkeypatch, world):
            loader = make_loader(index, num_workers=num_workers, crops_per_utterance=2, epoch=3)
            parts.append(content(loader))
            assert len(parts[-1]) == len(loader)
        assert len({len(part) for part in parts}) == 1  # no process waits for another
        seen = collections.Counter(key for part in parts for ids, *_ in part for key in ids)
        assert seen == {sample.key: 2 for sample in index}
        assert len({signals for part in parts for _, signals, *_ in part}) == sum(map(len, parts))
        expected = expected or parts
        assert parts == expected


def test_processes_share_the_batches_of_one(index, monkeypatch):
    one = [set(batch.ids) for batch in make_loader(index, batch_size=6)]
    parts = [
        [batch.ids for batch in make_loader(index, batch_size=6)]
        for _ in in_processes(monkeypatch, 2)
    ]
    assert [{*first, *second} for first, second in zip(*parts, strict=True)] == one


def test_an_epoch_goes_on_where_it_was_left(index):
    whole = content(make_loader(index))
    assert content(make_loader(index, start=2)) == whole[2:]
    assert content(make_loader(index, start=len(whole), num_workers=2)) == []


def test_epochs_and_seeds_differ_and_repeat(index):
    one, two, again = (content(make_loader(index, epoch=epoch)) for epoch in (1, 2, 1))
    assert one == again != two
    assert content(make_loader(index, seed=2)) != one


def test_crops_lie_in_their_utterance(index):
    whole = {sample.key: decode(audio, sample) for sample, audio in read_shards(index.shards)}
    classes = {sample.key: sample.class_idx for sample in index}
    for batch in make_loader(index, crops_per_utterance=2):
        batch = batch.to("cpu")
        assert batch.signals.dtype == torch.float32 and abs(batch.signals).max() <= 1
        for key, crop, label in zip(batch.ids, batch.signals.numpy(), batch.classes, strict=True):
            windows = np.lib.stride_tricks.sliding_window_view(whole[key], len(crop))
            assert (windows == crop).all(axis=1).any()
            assert classes[key] == label


def test_a_crop_follows_from_seed_epoch_and_utterance_alone(index, tmp_path):
    other = tmp_path / "other"  # the same utterances in other company
    members = member_pair(0, "id1/other/0", 1) + member_pair(
        1, "id10001/-A_x0.v-1_/00001", 1, audio=wav_bytes(16100, seed=1), num_frames=16100
    )
    write_tar(other / "shard-000000.tar", members)

    def crop_in(index, epoch):
        data = IndexedCrops(index, crop_frames=4000, seed=1)
        data.set_epoch(epoch)
        return next(item["sig"] for item in data if item["id"] == "id10001/-A_x0.v-1_/00001")

    there = index_shards(other)
    assert torch.equal(crop_in(index, 1), crop_in(there, 1))
    assert not torch.equal(crop_in(index, 1), crop_in(there, 2))
    seeds = [sample_seed(*key) for key in itertools.product((1, 2), (1, 2), ("a", "b"), (0, 1))]
    assert len(set(seeds)) == 16


def test_crops_lie_anywhere(tmp_path):
    write_tar(tmp_path / "shard-000000.tar", member_pair(0, "a/x/0", 0, 8000))
    data = IndexedCrops(index_shards(tmp_path), crop_frames=4000, seed=1, crops_per_utterance=400)
    whole = np.frombuffer(wav_bytes(8000)[44:], "<i2")
    starts = [np.flatnonzero(whole == crop["sig"][0].item()) for crop in data]
    starts = np.concatenate(starts)
    assert starts.min() < 300 and starts.max() > 3700
    quarters = np.histogram(starts, bins=4, range=(0, 4001))[0]
    assert quarters.min() > 60  # of 100, by far the binomial's 99.99 % interval


@pytest.mark.parametrize("fmt, subtype", [("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("WAV", "FLOAT")])
def test_audio_that_has_to_be_decoded(tmp_path, monkeypatch, fmt, subtype):
    wav, other = wav_bytes(16000, seed=3), io.BytesIO()
    signal, rate = sf.read(io.BytesIO(wav), dtype="int16")
    sf.write(other, signal if fmt == "FLAC" else signal / 32768, rate, format=fmt, subtype=subtype)
    for name, audio in (("wav", wav), ("other", other.getvalue())):
        (member, _), described = member_pair(0, "a/x/0", 0, audio=audio)
        member = member.replace(".wav", ".flac") if fmt == "FLAC" and name == "other" else member
        write_tar(tmp_path / name / "shard-000000.tar", [(member, audio), described])

    def crop(name):
        data = IndexedCrops(index_shards(tmp_path / name), crop_frames=4000, seed=1)
        return data[0]["sig"], len(data.decoded)

    expected, decoded = crop("wav")
    assert decoded == 0 and expected.abs().max() > 1000
    once, decoded = crop("other")
    assert decoded == 1 and torch.equal(once, expected)
    monkeypatch.setattr("local.dataset.crops.KEPT", 0)
    each_time, decoded = crop("other")
    assert decoded == 0 and torch.equal(each_time, expected)


def test_short_utterances_are_repeated(index):
    (batch, *_) = make_loader(index, crop_frames=40000)
    assert batch.signals.shape[1] == 40000
    for key, crop in zip(batch.ids, batch.signals, strict=True):
        length = next(sample.num_frames for sample in index if sample.key == key)
        assert torch.equal(crop[:1000], crop[length : length + 1000])


@pytest.mark.parametrize(
    "batch_size, world, expected",
    [
        (12, 1, [13]),
        (6, 1, [6, 7]),
        (5, 1, [5, 5, 3]),
        (5, 2, [5, 8]),
        (40, 3, [13]),
        (1, 1, [1] * 13),
    ],
)
def test_the_last_batch(index, monkeypatch, batch_size, world, expected):
    for _ in in_processes(monkeypatch, world):
        order = CropOrder(index, batch_size=batch_size, seed=1)
        assert order.sizes() == expected


def test_more_processes_than_crops(index, monkeypatch):
    for _ in in_processes(monkeypatch, 14):
        with pytest.raises(RecipeError, match="14 processes share batches of 13 crops"):
            CropOrder(index, batch_size=40, seed=1).sizes()


def test_speakers_are_balanced(tmp_path):
    members = []
    for number in range(40):  # one speaker has 36 of 40 utterances
        speaker = max(number - 35, 0)
        members += member_pair(number, f"id{speaker}/x/{number}", speaker, 2000)
    write_tar(tmp_path / "shard-000000.tar", members)
    index = index_shards(tmp_path)
    options = {"crops_per_utterance": 50, "crop_frames": 2000, "batch_size": 100}
    loader = make_loader(index, speaker_balanced=True, **options)
    counts = torch.bincount(torch.cat([batch.classes for batch in loader]))
    assert counts.sum() == 2000 and counts.min() > 320 and counts.max() < 480  # 400 each
    again = make_loader(index, speaker_balanced=True, **options)
    assert content(again) == content(loader)


@pytest.mark.long
def test_one_open_file_a_shard_and_process(index):
    data = IndexedCrops(index, crop_frames=4000, seed=1)
    program = (
        "import pickle, sys\n"
        "opened = []\n"
        "sys.addaudithook(lambda event, args: event == 'open' and opened.append(str(args[0])))\n"
        "data = pickle.load(sys.stdin.buffer)\n"
        "for _ in range(3):\n    list(data)\n"
        "print(sum(path.endswith('.tar') for path in opened))\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        input=pickle.dumps(data),
        capture_output=True,
        cwd=sys.path[0],
        env={"PYTHONPATH": ":".join(sys.path)},
        check=True,
    )
    assert answer.stdout.split() == [b"3"]


# What SpeechBrain and torch have works on it as on any other data set.


def collated(data, sampler, **options):
    loader = SaveableDataLoader(data, sampler=sampler, batch_size=2, **options)
    return [batch["id"] for batch in loader]


def test_speechbrains_samplers_and_loader(index, tmp_path):
    data = IndexedCrops(index, crop_frames=4000, seed=1)
    keys = sorted(sample.key for sample in index)
    sampler = ReproducibleRandomSampler(data, seed=5)
    ids = collated(data, sampler, num_workers=2)
    assert sorted(itertools.chain(*ids)) == keys
    balanced = BalancingDataSampler(data, "class_idx", num_samples=300)
    assert len(list(balanced)) == 300
    split = {"num_replicas": 2, "shuffle": False}
    halves = [DistributedSamplerWrapper(sampler, **split, rank=rank) for rank in (0, 1)]
    assert {*halves[0]} | {*halves[1]} == set(range(len(data)))
    plain = DistributedSampler(data, num_replicas=2, rank=1)
    assert len(list(DataLoader(data, sampler=plain, batch_size=None))) == 7

    loader = SaveableDataLoader(data, sampler=sampler, batch_size=2)
    checkpointer = Checkpointer(tmp_path / "save", {"loader": loader})
    for number, _ in enumerate(loader):
        if number == 2:
            checkpointer.save_checkpoint(end_of_epoch=False)
    again = SaveableDataLoader(data, sampler=sampler, batch_size=2)
    Checkpointer(tmp_path / "save", {"loader": again}).recover_if_possible()
    assert [batch["id"] for batch in again] == ids[3:]


# Whole utterances


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_whole_utterances(index, monkeypatch, num_workers, world):
    lengths = {sample.key: sample.num_frames for sample in index}
    seen = []
    for _ in in_processes(monkeypatch, world):
        data = Utterances(index, batch_size=2, min_frames=8000)
        for batch in BatchLoader(data, data.own(), num_workers=num_workers):
            assert len(batch) <= 2
            assert {lengths[key] for key in batch.ids} == {batch.signals.shape[1]}
            seen += batch.ids
    assert sorted(seen) == sorted(lengths)


def test_very_short_utterances_are_repeated_for_the_network(tmp_path):
    members = member_pair(0, "a/x/0", None, 100) + member_pair(1, "b/x/0", None, 9000)
    write_tar(tmp_path / "shard-000000.tar", members)
    data = Utterances(index_shards(tmp_path), min_frames=8000)
    assert sorted(data[number].signals.shape[1] for number in data.own()) == [8000, 9000]


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
    with pytest.raises(RecipeError, match=message) as error:
        list(make_loader(index_shards(tmp_path), num_workers=num_workers))
    assert "\n" not in str(error.value)


def test_a_shard_that_changes_meanwhile(index):
    data = IndexedCrops(index, crop_frames=4000, seed=1)
    content = index.shards[0].read_bytes()
    index.shards[0].write_bytes(content[: len(content) // 2])
    with pytest.raises(RecipeError, match="shard-000000.tar: has changed since it was indexed"):
        list(data)
    index.shards[0].unlink()
    with pytest.raises(RecipeError, match="shard-000000.tar: cannot be read"):
        list(data)

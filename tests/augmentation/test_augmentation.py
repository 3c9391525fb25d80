"""Augmentation against plain computations, and what its random numbers follow from."""

import numpy as np
import pytest
import scipy.signal
import soundfile as sf
import torch

from local.augmentation import (
    Augmentation,
    Babble,
    BandLimit,
    Bank,
    ChunkDrop,
    Clipping,
    ColouredNoise,
    Companding,
    Equalizer,
    FrequencyDrop,
    FrequencyMask,
    Gain,
    OneOf,
    Reverb,
    SpectralHoles,
    TimeMask,
    VocalTracts,
    count_classes,
    find_rooms,
    simulated_rooms,
)
from local.dataset import Batch
from local.errors import RecipeError

RATE = 16000
PARTS = [
    Babble,
    BandLimit,
    ChunkDrop,
    Clipping,
    ColouredNoise,
    Companding,
    Equalizer,
    FrequencyDrop,
    Gain,
    SpectralHoles,
    lambda **options: Reverb(simulated_rooms(3, seed=0), **options),
]
MASKS = [FrequencyMask, TimeMask]


def speechlike(count=6, frames=8000):
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.normal(size=(count, frames)) * 0.1).float()


def spectrum(signal):
    power = torch.fft.rfft(signal, dim=-1).abs().square()
    return torch.linspace(0, RATE / 2, power.shape[-1]), power


@pytest.mark.parametrize("make", PARTS + MASKS)
def test_random_numbers_belong_to_the_crop(make):
    batch = speechlike() if make in PARTS else torch.rand(6, 50, 40) + 1
    augmentation = Augmentation([make(probability=0.5)])
    changed = augmentation(batch, [1, 2, 3, 4, 5, 6])
    assert changed.shape == batch.shape and changed.isfinite().all()
    untouched = [torch.equal(*pair) for pair in zip(changed, batch, strict=True)]
    assert 0 < sum(untouched) < 6  # by their own seeds, so always the same
    assert torch.equal(augmentation(batch, [1, 2, 3, 4, 5, 6]), changed)
    assert not torch.equal(augmentation(batch, [7, 8, 9, 10, 11, 12]), changed)
    if make is not Babble:  # which is made of the others
        alone = augmentation(batch[2:3], [3])
        torch.testing.assert_close(alone[0], changed[2])
        other = Clipping if make is Gain else Gain
        longer = Augmentation([other(probability=0.0), make(probability=0.5)])
        assert torch.equal(longer(batch, [1, 2, 3, 4, 5, 6]), changed)


def test_a_share_of_the_crops_stays_as_it_is_recorded():
    def augmented(probability):
        parts = [Clipping(probability=1.0), Gain(probability=1.0)]
        return Augmentation(parts, probability)(signals, range(300))

    signals = speechlike(300, 100)
    seldom, always = augmented(0.2), augmented(1.0)
    changed = (seldom != signals).any(dim=1)
    assert 40 < changed.sum() < 80
    assert torch.equal(seldom, torch.where(changed[:, None], always, signals))
    assert torch.equal(augmented(0.0), signals)


def test_one_of_several_for_each_crop():
    ways = [Gain(probability=1.0, decibels=(gain, gain)) for gain in (20, 40)]
    changed = Augmentation([OneOf(ways)])(torch.ones(300, 10), range(300))
    values, counts = changed[:, 0].unique(return_counts=True)
    assert values.tolist() == [1, 10, 100] and counts.min() > 70
    assert Augmentation([OneOf(ways, keep=False)])(torch.ones(30, 10), range(30)).min() == 10


def test_two_parts_of_one_kind_draw_their_own_numbers():
    twice = Augmentation([Gain(probability=1.0, decibels=(-20, 20)) for _ in range(2)])
    signals = torch.ones(4, 100)
    once = Augmentation([Gain(probability=1.0, decibels=(-20, 20))])(signals, [1, 2, 3, 4])
    assert not torch.allclose(twice(signals, [1, 2, 3, 4]), once.square())


@pytest.mark.parametrize("make", [BandLimit, Equalizer, FrequencyDrop])
def test_filters_keep_the_level(make):
    signals = speechlike()
    changed = Augmentation([make(probability=1.0)])(signals, range(6))
    torch.testing.assert_close(changed.square().mean(1), signals.square().mean(1))


def test_noise_has_the_ratio_and_the_colour():
    signals = speechlike(frames=160000)
    noise = ColouredNoise(probability=1.0, snr=(7, 7), slope=(-1, -1))
    added = Augmentation([noise])(signals, range(6)) - signals
    ratio = 10 * (signals.square().mean(1) / added.square().mean(1)).log10()
    torch.testing.assert_close(ratio, torch.full((6,), 7.0), atol=0.01, rtol=0)
    hertz, power = spectrum(added)
    low, high = (power[:, (hertz > f) & (hertz < 1.2 * f)].mean() for f in (500, 2000))
    # Magnitude falls as 1 / (f + 50): from 550 to 2200 Hz by 2050 / 550, in dB of power:
    assert 10 * torch.log10(low / high) == pytest.approx(11.3, abs=0.5)


def test_babble_is_made_of_the_others():
    signals = torch.eye(4, 64)  # each crop has a sample of its own
    babble = Babble(probability=1.0, snr=(0, 0), talkers=(3, 3))
    added = Augmentation([babble])(signals, range(4)) - signals
    assert (added[:, 4:] == 0).all() and (added >= 0).all()
    torch.testing.assert_close(added.square().sum(1), torch.ones(4))
    assert (added.diag() == 0).all()
    assert (added.square().sum(0)[:4] > 0).all()
    pairs = torch.tensor([0, 0, 1, 1])
    added = Augmentation([babble])(signals, range(4), pairs) - signals
    same = pairs[:, None] == pairs
    assert (added[:, :4][same] == 0).all() and (added[:, :4][~same] > 0).any()
    alone = Augmentation([babble])(signals, range(4), torch.zeros(4))
    assert torch.equal(alone, signals)  # nobody else is there


def test_reverberation_is_convolution(tmp_path):
    signals, bank = speechlike(), simulated_rooms(4, seed=1)
    rooms = bank.on("cpu")
    assert rooms.shape == (4, 8000) and (rooms.abs().argmax(1) == 0).all()
    one_room = Augmentation([Reverb(Bank(lambda: rooms[:1]), probability=1.0)])
    changed = one_room(signals, range(6))
    for ours, signal in zip(changed.numpy(), signals.numpy(), strict=True):
        theirs = scipy.signal.fftconvolve(signal, rooms[0].numpy())[: len(signal)]
        theirs *= np.sqrt(np.mean(signal**2) / np.mean(theirs**2))
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert torch.equal(simulated_rooms(4, seed=1).on("cpu"), rooms)
    sf.write(tmp_path / "room.wav", np.r_[0, 0, rooms[2].numpy()] * 0.9, RATE, subtype="FLOAT")
    recorded = find_rooms(tmp_path, tmp_path / "cache").rows(torch.tensor([0]))
    torch.testing.assert_close(recorded[0], rooms[2], atol=2**-15, rtol=0)


def test_rooms_are_made_once_by_the_first_crop_in_one():
    more_than_there_is_memory_for = simulated_rooms(10**10, seed=0)
    without = Augmentation([Reverb(more_than_there_is_memory_for, probability=0.0)])
    assert torch.equal(without(speechlike(), range(6)), speechlike())
    made = []
    bank = Bank(lambda: made.append("rooms") or torch.eye(3, 8))
    augmentation = Augmentation([Reverb(bank, probability=1.0)])
    for seeds in (range(6), range(6, 12)):
        augmentation(speechlike(), seeds)
    assert made == ["rooms"]
    assert not list(augmentation.buffers())  # which processes share again and again


@pytest.mark.parametrize("asked", [0.2, 0.3, 0.45, 0.6])
def test_rooms_are_as_reverberant_as_asked(asked):
    options = {"reverberation": (asked, asked), "seconds": 1.0}
    rooms = simulated_rooms(20, seed=0, **options).on("cpu").double().square()
    decay = 10 * rooms.flip(1).cumsum(1).flip(1).log10()  # Schroeder's integral, dB
    decay -= decay[:, :1].clone()
    from_5_to_25 = ((decay < -5) & (decay > -25)).sum(1) / RATE
    assert 3 * from_5_to_25.mean().item() == pytest.approx(asked, rel=0.25)


def test_band_limit_and_notches():
    signals = speechlike(frames=160000)
    band = BandLimit(probability=1.0, low=(300, 300), high=(3400, 3400), order=(8, 8))
    hertz, power = spectrum(Augmentation([band])(signals, range(6)))
    inside = power[:, (hertz > 400) & (hertz < 3000)].mean()
    for outside in (hertz < 200, hertz > 5000):
        assert power[:, outside].mean() < 0.003 * inside
    drop = FrequencyDrop(probability=1.0, count=(2, 2), width=200)
    hertz, power = spectrum(Augmentation([drop])(signals, range(6)))
    lost = (power < 1e-4 * power.mean()).float().mean(1) * RATE / 2
    assert ((lost > 150) & (lost < 401)).all()  # two bands, which may overlap or reach over an end


def test_companding_is_that_of_the_telephone():
    signals = speechlike() * 3
    ours = Augmentation([Companding(probability=1.0, bits=(8, 8))])(signals, range(6))
    peak = signals.abs().amax(1, keepdim=True)
    scaled = torch.sign(signals) * torch.log1p(255 * (signals / peak).abs()) / np.log(256)
    rounded = torch.round(scaled * 128) / 128
    theirs = peak * torch.sign(rounded) * (256 ** rounded.abs() - 1) / 255
    torch.testing.assert_close(ours, theirs)
    assert len(ours[0].unique()) <= 257


def test_clipping_chunks_and_masks():
    signals = speechlike()
    clipped = Augmentation([Clipping(probability=1.0, threshold=(0.5, 0.5))])(signals, range(6))
    torch.testing.assert_close(clipped.abs().amax(1), signals.abs().amax(1) / 2)
    chunks = ChunkDrop(probability=1.0, count=(1, 1), length=(500, 500))
    zeros = (Augmentation([chunks])(signals, range(6)) == 0).sum(1)
    assert (zeros <= 500).all() and (zeros > 0).all() and zeros.max() == 500
    features = torch.ones(200, 100, 40)
    masks = Augmentation([FrequencyMask(probability=1.0, count=1, width=0.25)])
    bands = (masks(features, range(200)) == 0).all(1).sum(1)
    assert bands.max() == 10 and bands.float().mean() == pytest.approx(5, abs=0.7)
    masks = Augmentation([TimeMask(probability=1.0, count=1, width=0.25)])
    stretches = (masks(features, range(200)) == 0).all(2).sum(1)
    assert stretches.max() == 25 and stretches.float().mean() == pytest.approx(12.5, abs=1.5)


def test_vocal_tracts_make_speakers():
    tracts = VocalTracts([1.0, 0.8, 1.25], n_speakers=10)
    assert count_classes(10, tracts.warps) == 30
    signals, seeds = torch.randn(30, 800), list(range(30))
    batch = Batch(["utterance"] * 30, signals, torch.full((30,), 7), seeds)
    heard = tracts(batch)
    warps = heard.for_features["warps"]
    assert set(heard.classes.tolist()) == {7, 17, 27} and heard.signals is signals
    assert torch.equal(heard.classes, 7 + 10 * warps)
    assert torch.equal(tracts(batch).classes, heard.classes)  # by the seeds alone
    tracts.together = 3
    groups = tracts(batch).classes
    assert groups.tolist() == heard.classes[::3].repeat_interleave(3).tolist()
    labels = tracts.labels([f"id{n}" for n in range(10)])
    assert labels[7] == "id7" and labels[17] == "id7 warped by 0.8" and len(labels) == 30


@pytest.mark.parametrize("warps", [[0.9, 1.0], [1.0, 1.0], [1.0, 3.0], [1.0, 0.4], []])
def test_warps_that_make_no_sense(warps):
    with pytest.raises(RecipeError, match="warps .*: expected"):
        VocalTracts(warps, n_speakers=2)


def test_probabilities_are_probabilities():
    with pytest.raises(RecipeError, match="Gain: probability 1.5: expected 0 to 1"):
        Gain(probability=1.5)

"""Filter banks with a warped frequency axis hear a voice as another one."""

import math

import pytest
import torch
from speechbrain.lobes.features import Fbank

from speaker_models.warped_fbank import WarpedFbank

SIZES = {"n_mels": 80, "win_length": 50, "hop_length": 20, "n_fft": 800}
WARPS = [1.0, 0.8, 1.25]


def tone(hertz):
    return torch.sin(torch.arange(16000) * (2 * math.pi * hertz / 16000))


def test_without_warps_it_is_speechbrains():
    signals = torch.randn(3, 16000)
    fbank = WarpedFbank(warps=WARPS, **SIZES)
    plain = Fbank(**SIZES)(signals)
    assert torch.equal(fbank(signals), plain)
    torch.testing.assert_close(fbank(signals, torch.tensor([0, 0, 0])), plain)
    torch.testing.assert_close(fbank.eval()(signals)[:, :, :80], plain)  # the first of its voices
    assert list(fbank.state_dict()) == list(Fbank(**SIZES).state_dict())


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("hertz", [300, 1000, 3000])
def test_a_tone_is_heard_at_another_place(number, hertz):
    fbank = WarpedFbank(warps=WARPS, **SIZES)
    heard = fbank(tone(hertz)[None], torch.tensor([number]))[0, 20]
    elsewhere = fbank(tone(hertz * WARPS[number])[None])[0, 20]
    assert heard.argmax() == elsewhere.argmax() != fbank(tone(hertz)[None])[0, 20].argmax()


@pytest.mark.parametrize("number", [1, 2])
def test_no_band_is_empty(number):
    """The highest frequency stays in its place: neither voice has bands that the other lacks."""
    fbank = WarpedFbank(warps=WARPS, **SIZES)
    torch.manual_seed(1)
    noise = torch.randn(1, 160000)
    plain, heard = fbank(noise).mean(dim=1), fbank(noise, torch.tensor([number])).mean(dim=1)
    assert (plain - heard).abs().max() < 3.5  # dB: bands are wider or narrower by up to 2


def test_each_crop_has_its_own_warp():
    fbank, signals = WarpedFbank(warps=WARPS, **SIZES), torch.randn(3, 16000)
    together = fbank(signals, torch.tensor([2, 0, 1]))
    of_all = fbank.eval()(signals).unflatten(2, (3, 80))
    for row, number in enumerate([2, 0, 1]):
        alone = fbank.train()(signals[row : row + 1], torch.tensor([number]))
        torch.testing.assert_close(together[row : row + 1], alone)
        torch.testing.assert_close(of_all[row : row + 1, :, number], alone)

"""Kaldi's filter banks in batches, against kaldi-native-fbank, which phones compute."""

import kaldi_native_fbank
import numpy as np
import pytest
import soundfile
import torch

import not_speech
from conftest import shared
from speaker_models.kaldi_fbank import KaldiFbank


def on_a_phone(signal):
    """What sherpa-onnx computes."""
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.snip_edges = False
    options.mel_opts.num_bins = 80
    options.mel_opts.high_freq = -400
    fbank = kaldi_native_fbank.OnlineFbank(options)
    fbank.accept_waveform(16000, (signal * 32768).tolist())
    fbank.input_finished()
    return np.stack([fbank.get_frame(number) for number in range(fbank.num_frames_ready)])


def check(signal):
    signal = signal.astype(np.float32)
    ours, theirs = KaldiFbank()(torch.from_numpy(signal)[None])[0].numpy(), on_a_phone(signal)
    assert ours.shape == theirs.shape
    # Of bands that are nearly silent beside others, the last digits are rounded away.
    heard = theirs > theirs.max() - 20
    assert np.abs(ours - theirs)[heard].max() < 5e-3
    assert np.abs(ours - theirs).mean() < 1e-4


@pytest.mark.parametrize("length", [480, 8000, 8079, 8080, 8239, 8240, 48000])
def test_the_numbers_are_kaldis_at_any_length(length):
    check(not_speech.voice(np.random.default_rng(length))[:length])


@pytest.mark.parametrize("folder", [shared("arabic-speakers")])
def test_real_speech(folder):
    for path in sorted(folder.rglob("*.flac"))[::60]:
        check(soundfile.read(path, dtype="float32")[0])


def test_a_batch_is_as_its_signals_one_by_one():
    signals = 0.1 * torch.randn(3, 16000, generator=torch.Generator().manual_seed(0))
    fbank = KaldiFbank(warps=[1.0, 0.9, 1.1])
    together = fbank(signals, torch.tensor([0, 1, 2]))
    for row in range(3):
        alone = fbank(signals[row : row + 1], torch.tensor([row]))
        torch.testing.assert_close(alone[0], together[row], rtol=1e-4, atol=1e-4)
    plain = fbank.eval()(signals)
    assert torch.allclose(plain[0], together[0], atol=1e-4)
    assert not torch.allclose(plain[1], together[1], atol=0.1)


def test_a_factor_above_1_moves_a_voice_up():
    tone = torch.sin(torch.arange(16000) * (2 * torch.pi * 1000 / 16000))[None]
    fbank = KaldiFbank(warps=[1.0, 0.85, 1.17])
    peaks = [fbank(tone, torch.tensor([n]))[0].mean(0).argmax().item() for n in range(3)]
    assert peaks[1] < peaks[0] < peaks[2]

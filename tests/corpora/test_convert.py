"""Decoding, mixing and resampling block by block."""

import tracemalloc

import numpy as np
import pytest
import soundfile as sf
from scipy.signal import resample_poly

from local.corpora.convert import convert, resampled_blocks
from local.errors import RecipeError


@pytest.mark.parametrize("rate", [8000, 11025, 11127, 16000, 16001, 44100, 48000])
@pytest.mark.parametrize("seconds", [0.5, 2, 4, 6.7])
def test_blocks_give_what_the_whole_gives(tmp_path, rate, seconds):
    signal = 0.1 * np.random.default_rng(0).standard_normal(round(rate * seconds))
    sf.write(tmp_path / "a.wav", signal, rate, subtype="FLOAT")
    blocks = list(resampled_blocks(tmp_path / "a.wav", block_seconds=2))
    whole = resample_poly(signal.astype(np.float32), 16000, rate)
    assert len(blocks) > 1 or seconds < 2
    np.testing.assert_allclose(np.concatenate(blocks), whole, atol=1e-6)


@pytest.mark.parametrize("rate", [8000, 11127, 22050, 44099, 96000])
def test_a_tone_keeps_its_frequency_and_level(tmp_path, rate):
    sf.write(tmp_path / "a.wav", np.sin(2 * np.pi * 1000 * np.arange(rate) / rate) / 2, rate)
    samples = convert(tmp_path / "a.wav", tmp_path / "b.wav").level.samples
    signal, _ = sf.read(tmp_path / "b.wav")
    assert samples == len(signal) == 16000
    spectrum = np.abs(np.fft.rfft(signal)) / 8000
    assert spectrum[1000] == pytest.approx(0.5, abs=0.005)
    assert np.delete(spectrum, range(990, 1011)).max() < 0.003


def test_what_16khz_cannot_hold_is_filtered_out_not_folded_back(tmp_path):
    sf.write(tmp_path / "a.wav", np.sin(2 * np.pi * 11000 * np.arange(48000) / 48000) / 2, 48000)
    convert(tmp_path / "a.wav", tmp_path / "b.wav")
    assert np.abs(sf.read(tmp_path / "b.wav")[0][1000:-1000]).max() < 0.005


def test_16khz_mono_pcm16_stays_the_same(tmp_path):
    signal = np.arange(-32768, 32768, dtype=np.int16)
    sf.write(tmp_path / "a.wav", signal, 16000)
    level, channel, _ = convert(tmp_path / "a.wav", tmp_path / "b.wav")
    assert (level.samples, level.peak, channel) == (65536, 1.0, None)
    np.testing.assert_array_equal(sf.read(tmp_path / "b.wav", dtype="int16")[0], signal)


@pytest.mark.parametrize("peak", [1.01, 1.5, 4, 9.9])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_moderate_peaks_above_full_scale_are_scaled(tmp_path, peak, subtype):
    sf.write(tmp_path / "a.wav", np.array([0.5, 1, -1]) * peak, 16000, subtype=subtype)
    assert convert(tmp_path / "a.wav", tmp_path / "b.wav").level.peak == pytest.approx(peak)
    assert sf.read(tmp_path / "b.wav", dtype="int16")[0].tolist() == [16384, 32767, -32768]


@pytest.mark.parametrize("scale", [128, 32768, 2**23, 2**31])
@pytest.mark.parametrize("level", [0.1, 1])
@pytest.mark.parametrize("rate, channels", [(16000, 1), (44100, 2)])
def test_floats_on_the_scale_of_integers_are_an_error(tmp_path, scale, level, rate, channels):
    signal = scale * level * np.sin(np.arange(rate) / 20)
    signal = np.stack([signal] * channels, axis=1)
    sf.write(tmp_path / "a.wav", signal, rate, subtype="FLOAT")
    with pytest.raises(RecipeError, match=r"a\.wav: found samples up to .*expected .* in \[-1"):
        convert(tmp_path / "a.wav", tmp_path / "b.wav")


def noise(seconds=3, seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal(round(16000 * seconds))


def mixed(tmp_path, *channels):
    """What channels are converted to, and the number of the one that was taken."""
    sf.write(tmp_path / "a.wav", np.stack(channels, axis=1), 16000, subtype="FLOAT")
    channel = convert(tmp_path / "a.wav", tmp_path / "b.wav").channel
    return sf.read(tmp_path / "b.wav")[0], channel


@pytest.mark.parametrize("gain", [1, 0.9, 0.7, 1.2])
@pytest.mark.parametrize("offset", [0, 0.2])
def test_channels_that_cancel_are_not_averaged(tmp_path, gain, offset):
    left, right = noise(), -gain * noise() + offset
    signal, channel = mixed(tmp_path, left, right)
    assert channel == (gain > 1)
    np.testing.assert_allclose(signal, (left, right)[channel], atol=1e-4)


def test_a_part_that_cancels_takes_one_channel_throughout(tmp_path):
    left = noise(45)
    right = np.where(np.arange(len(left)) < 30 * 16000, left, -0.9 * left)
    signal, channel = mixed(tmp_path, left, right)
    assert channel == 0
    np.testing.assert_allclose(signal, left, atol=1e-4)


def test_several_channels_that_cancel(tmp_path):
    signal, channel = mixed(tmp_path, noise(), -2 * noise(), noise())
    assert channel == 1 and np.abs(signal).max() > 0.1


@pytest.mark.parametrize(
    "others",
    [
        [noise()],
        [0 * noise()],
        [0.5 * noise()],
        [noise(seed=1)],
        [noise(seed=1), noise(seed=2), 0 * noise()],
        [-0.2 * noise() + 0.1],  # a weak copy with the opposite sign
        [np.roll(noise(), 40)],
        [np.where(np.arange(48000) < 2000, -1, 1) * noise()],  # a moment only
    ],
)
def test_channels_that_do_not_cancel_are_averaged(tmp_path, others):
    signal, channel = mixed(tmp_path, noise(), *others)
    assert channel is None
    np.testing.assert_allclose(signal, np.mean([noise(), *others], axis=0), atol=1e-4)


def test_channels_are_averaged(tmp_path):
    sf.write(tmp_path / "a.wav", np.tile([0.5, 0.25, 0.0], (100, 1)), 16000)
    convert(tmp_path / "a.wav", tmp_path / "b.wav")
    np.testing.assert_allclose(sf.read(tmp_path / "b.wav")[0], 0.25, atol=1e-4)


def test_memory_does_not_grow_with_the_recording(tmp_path):
    minutes = 10
    with sf.SoundFile(tmp_path / "a.wav", "w", 16000, 1) as fout:
        for _ in range(minutes):
            fout.write(np.zeros(60 * 16000, np.int16))
    tracemalloc.start()
    samples = convert(tmp_path / "a.wav", tmp_path / "b.wav").level.samples
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert samples == minutes * 60 * 16000
    assert peak < samples  # bytes: the whole as float32 would be four times that


def test_a_full_disk_is_no_fault_of_the_recording(tmp_path):
    sf.write(tmp_path / "a.wav", np.zeros(160000), 16000)
    (tmp_path / "b.wav").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"b\.wav: cannot be written .* disk full"):
        convert(tmp_path / "a.wav", tmp_path / "b.wav")


def test_infinity_is_refused(tmp_path):
    sf.write(tmp_path / "a.wav", np.array([0.1, np.inf]), 16000, subtype="FLOAT")
    with pytest.raises(RecipeError, match=r"a\.wav: holds NaN or infinity"):
        convert(tmp_path / "a.wav", tmp_path / "b.wav")


@pytest.mark.parametrize("rate", [1, 999, 2_000_000])
def test_rates_that_no_speech_has_are_refused(tmp_path, rate):
    sf.write(tmp_path / "a.wav", np.zeros(1000), rate)
    with pytest.raises(RecipeError, match=rf"a\.wav: .* sampling rate of {rate} Hz"):
        convert(tmp_path / "a.wav", tmp_path / "b.wav")

"""The guarded way to an embedding: of any recording, or an error that names what is wrong."""

import io
import re

import numpy as np
import pytest
import soundfile
import torch
from scipy.signal import resample_poly
from speechbrain.inference.interfaces import foreign_class

from local.bundle import find_bundle
from local.corpora.convert import convert
from local.errors import RecipeError
from shard_writing import without_count


@pytest.fixture(scope="module")
def bundle(trained):
    return trained / "inference"


@pytest.fixture(scope="module")
def encoder(bundle):
    options = {"pymodule_file": "speaker_encoder.py", "classname": "SpeakerEncoder"}
    return foreign_class(source=str(bundle), **options, run_opts={"device": "cpu"})


@pytest.fixture(scope="module")
def paths(small):
    return sorted((small.corpus / "dev").glob("*/*/*.wav"))


@pytest.fixture
def write(tmp_path):
    """Write float samples as a file; returns its path."""

    def write(signal, rate=16_000, name="tried.wav"):
        soundfile.write(tmp_path / name, signal, rate, subtype="FLOAT")
        return tmp_path / name

    write.folder = tmp_path
    return write


def speech(path):
    return soundfile.read(path, dtype="float32")[0]


def test_files_without_a_decision_to_be_had(encoder, bundle, paths):
    """No threshold is needed for embeddings, and the files are embedded as if each were alone."""
    assert not (bundle / "decision.json").exists()
    vectors = encoder.embed_files(*paths[:4])
    assert vectors.shape == (4, 128) and vectors.dtype == torch.float32
    for path, vector in zip(paths, vectors, strict=False):
        assert torch.allclose(encoder.embed_files(str(path))[0], vector, atol=1e-5)
    assert torch.equal(encoder.embed_files(paths[0]), encoder.embed_files(paths[0]))


def spoilt(value, place=8000):
    def spoil(signal):
        signal[place] = value
        return signal

    return spoil


@pytest.mark.parametrize(
    "spoil, message",
    [
        (spoilt(1e30), "a sample of 1e\\+30, expected -1 to 1"),
        (spoilt(-3e38, 0), "a sample of 3e\\+38, expected"),
        (spoilt(300.0, -1), "a sample of 300, expected"),
        (lambda signal: 32768 * signal, "a sample of .*, expected -1 to 1"),
        (spoilt(np.nan), "not finite"),
        (spoilt(-np.inf), "not finite"),
        (lambda signal: signal[:0], "empty"),
        (lambda signal: np.stack([0 * signal, 0 * signal], axis=1), "no speech"),
    ],
)
def test_no_embedding_of_what_is_no_recording(encoder, paths, write, spoil, message):
    path = write(spoil(speech(paths[0])))
    with pytest.raises(ValueError, match=f"tried.wav: .*{message}") as e:
        encoder.embed_files(paths[1], path)
    assert "\n" not in str(e.value)


def test_files_that_are_not_there_or_no_audio(encoder, tmp_path):
    with pytest.raises(FileNotFoundError, match="none.wav: no such recording"):
        encoder.embed_files(tmp_path / "none.wav")
    with pytest.raises(FileNotFoundError, match="a folder, where a recording is expected"):
        encoder.embed_files(tmp_path)
    for name in ("s3://bucket/a.wav", f"file://{tmp_path}/none.wav", "hf://a/b/c.wav"):
        with pytest.raises((FileNotFoundError, ValueError), match=r"fetched|no such") as e:
            encoder.embed_files(name)
        assert "\n" not in str(e.value)
    (tmp_path / "text.wav").write_text("no audio")
    with pytest.raises(ValueError, match="text.wav: cannot be decoded"):
        encoder.embed_files(tmp_path / "text.wav")


def antiphase(signal, *gains):
    return np.stack([gain * signal for gain in gains], axis=1)


@pytest.mark.parametrize("rate", [16_000, 8_000, 44_099])
@pytest.mark.parametrize("gains", [(1, -1), (0.5, -0.6), (1, -0.999), (0.4, 0.4, -0.8), (0.4, 0.4)])
def test_of_channels_that_cancel_the_louder_is_heard(encoder, paths, write, gains, rate):
    """By the bundle's own reading and by SpeechBrain's, as in corpora."""
    signal = speech(paths[0])
    stereo, louder = antiphase(signal, *gains), gains[int(np.argmax(np.abs(gains)))] * signal
    expected = encoder.load_audio(write(louder, rate))
    assert torch.equal(encoder.load_audio(write(stereo, rate)), expected)
    assert torch.equal(encoder.audio_normalizer(torch.from_numpy(stereo), rate), expected)
    convert(write(stereo, rate), write.folder / "converted.wav")
    assert np.abs(speech(write.folder / "converted.wav") - expected.numpy()).max() < 1e-4


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("seconds", [1, 3, 25])
def test_flac_without_a_count_is_read_to_its_end(encoder, paths, write, channels, seconds):
    signal = np.resize(speech(paths[0]), seconds * 16_000)
    path = write.folder / "counted.flac"
    soundfile.write(path, antiphase(signal, *[1] * channels), 16_000)
    piped = write.folder / "piped.flac"
    piped.write_bytes(without_count(path.read_bytes()))
    assert torch.equal(encoder.load_audio(piped), encoder.load_audio(path))
    assert encoder.load_audio(piped).shape == signal.shape
    assert torch.equal(encoder.embed_files(piped), encoder.embed_files(path))


def test_peaks_above_1_are_no_damage(encoder, paths, write):
    signal = speech(paths[0])
    assert encoder.embed_files(write(signal * 3 / np.abs(signal).max())).isfinite().all()


def test_an_hour_is_embedded_in_windows(encoder, paths, write, monkeypatch):
    """A network whose memory grows with the audio never gets more than two minutes of it."""
    longest = []

    def encode_batch(signals):
        longest.append(signals.shape[1])
        return signals[:, None, :8]

    monkeypatch.setattr(encoder, "encode_batch", encode_batch)
    hour = np.resize(speech(paths[0]), 3600 * 4000)  # at a quarter of the rate
    vector = encoder.embed_files(write(hour, 4000))
    assert vector.shape == (1, 8) and len(longest) == 30
    assert max(longest) <= 120 * 16_000


@pytest.mark.parametrize("rate", [16_000, 44_100])
@pytest.mark.parametrize("samples", [1, 2, 5, 11, 16, -3])
def test_of_channels_that_nearly_cancel_the_louder_is_heard(encoder, paths, write, samples, rate):
    """One is the other turned round, and a moment later: their mean has lost its low tones."""
    signal = speech(paths[0])
    stereo = np.stack([signal, -0.9 * np.roll(signal, samples)], axis=1)
    expected = encoder.load_audio(write(signal, rate)).numpy()
    assert np.array_equal(encoder.load_audio(write(stereo, rate)).numpy(), expected)
    convert(write(stereo, rate), write.folder / "converted.wav")
    assert np.abs(speech(write.folder / "converted.wav") - expected).max() < 1e-4


@pytest.mark.parametrize("second", ["the same", "later", "much later", "of another", "noise"])
def test_other_channels_are_averaged(encoder, paths, write, second):
    signal, other = speech(paths[0]), np.resize(speech(paths[9]), len(speech(paths[0])))
    noise = 0.1 * np.random.default_rng(0).standard_normal(len(signal)).astype(np.float32)
    later, much_later = (np.roll(signal, samples) for samples in (12, 40))
    channels = {"the same": signal, "later": later, "much later": much_later, "noise": noise}
    channel = channels.get(second, other)
    found = encoder.load_audio(write(np.stack([signal, channel], axis=1)))
    assert np.abs(found.numpy() - (signal + channel) / 2).max() < 1e-6


def encoded(signal, fmt, subtype):
    file = io.BytesIO()
    soundfile.write(file, signal, 16_000, format=fmt, subtype=subtype)
    return file.getvalue()


def hole(content, size=2000):
    middle = len(content) // 2
    return content[:middle] + content[middle + size :]


def zeros(content, size=2000):
    middle = len(content) // 2
    return content[:middle] + bytes(size) + content[middle + size :]


KINDS = {
    **{f"wav {kind}": ("WAV", kind) for kind in ("PCM_16", "PCM_24", "FLOAT", "ULAW")},
    **{f"ogg {kind}": ("OGG", kind) for kind in ("VORBIS", "OPUS")},
    **{kind.lower(): (kind, "PCM_16") for kind in ("FLAC", "AIFF", "AU", "W64", "RF64", "NIST")},
    "mp3": ("MP3", "MPEG_LAYER_III"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.6, 0.7])
def test_cut_audio_is_refused(encoder, paths, tmp_path, kind, share):
    """What was left of it was decided, without a word."""
    whole = encoded(np.tile(speech(paths[0]), 3), *KINDS[kind])
    path = tmp_path / f"cut.{kind.split()[0]}"
    path.write_bytes(whole)
    assert encoder.embed_files(path).isfinite().all()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: (truncated|cannot be)") as e:
        encoder.embed_files(path)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("kind", ["wav PCM_16", "flac"])
def test_audio_that_goes_on_after_the_end_that_its_header_tells_is_refused(
    encoder, paths, tmp_path, kind
):
    (tmp_path / "two.wav").write_bytes(2 * encoded(speech(paths[0]), *KINDS[kind]))
    with pytest.raises(ValueError, match=r"two.wav: its header tells of fewer samples than follow"):
        encoder.embed_files(tmp_path / "two.wav")


@pytest.mark.parametrize("kind", ["ogg VORBIS", "ogg OPUS", "flac"])
@pytest.mark.parametrize("spoil", [hole, zeros])
def test_damaged_audio_is_refused(encoder, paths, tmp_path, kind, spoil):
    path = tmp_path / f"spoilt.{kind.split()[0]}"
    path.write_bytes(spoil(encoded(np.tile(speech(paths[0]), 5), *KINDS[kind])))
    with pytest.raises(ValueError, match="spoilt.*: (damaged: at byte|cannot be decoded)"):
        encoder.embed_files(path)


def test_whole_streams_one_after_the_other_are_no_damage(encoder, paths, tmp_path):
    content = encoded(speech(paths[0]), "OGG", "VORBIS")
    for number, more in enumerate((content, b"tags of some player")):
        (tmp_path / f"{number}.ogg").write_bytes(content + more)
        assert encoder.embed_files(tmp_path / f"{number}.ogg").isfinite().all()


@pytest.mark.parametrize("name", ["headless.raw", "HEADLESS.RAW"])
def test_samples_without_a_header_are_refused_by_name(encoder, tmp_path, name):
    (tmp_path / name).write_bytes(bytes(3200))
    with pytest.raises(ValueError, match=f"{name}: cannot be decoded .*no header tells its"):
        encoder.embed_files(tmp_path / name)


def test_an_empty_file_is_refused_by_name(encoder, tmp_path):
    (tmp_path / "none.wav").touch()
    with pytest.raises(ValueError, match="none.wav: empty; export it again"):
        encoder.embed_files(tmp_path / "none.wav")


@pytest.mark.parametrize("rate, channels", [(16000, 1), (8000, 1), (44100, 2), (15999, 1)])
def test_samples_of_any_rate_are_embedded_as_a_file_of_them(encoder, write, paths, rate, channels):
    signal = resample_poly(speech(paths[0]), rate, 16000)
    signal = np.stack([signal, 0.5 * signal], axis=1) if channels > 1 else signal
    path = write(signal, rate)
    of_file, of_array = encoder.embed(path), encoder.embed(signal, sample_rate=rate)
    assert np.allclose(of_file.vectors, of_array.vectors, atol=1e-4)
    assert of_file.speech == of_array.speech and of_array.num_frames == of_file.num_frames
    both = encoder.embed(torch.from_numpy(signal), path, sample_rate=rate)
    assert both.vectors.shape == (2, 128)


def test_the_answer_tells_speech_level_and_noise(encoder, write, paths):
    signal = speech(paths[0])
    noise = np.random.default_rng(0).normal(size=16_000) * 10 ** (-60 / 20)
    noisy = np.concatenate([noise, signal, noise])
    embedded = encoder.embed(write(noisy), write(0.1 * noisy, name="quiet.wav"))
    assert 0 < embedded.speech[0] < len(signal) / 16_000 + 0.1
    assert embedded.speech[0] == embedded.speech[1]
    assert embedded.level[0] - embedded.level[1] == pytest.approx(20, abs=0.1)
    assert embedded.snr[0] > 10 and embedded.snr[0] == pytest.approx(embedded.snr[1], abs=0.2)


@pytest.mark.parametrize("chunks", [1, 2, 3, 9, 15])
def test_too_little_speech_is_less_than_the_minimum(encoder, chunks, monkeypatch):
    """It was "0.5 s of speech, expected 0.5 s at least"."""
    seconds, found = chunks * 0.032, torch.arange(40) < chunks
    monkeypatch.setattr(encoder, "detector", lambda signals: [found for _ in signals])
    for least in (seconds + 1e-3, 0.5, 1.75):
        with pytest.raises(ValueError, match=f"expected {least} s at least") as e:
            encoder.embed_signals([torch.randn(20_000) / 10], ["x.wav"], least)
        told = re.match(r"x.wav: (\S+) s of speech in 1.2 s of audio", str(e.value))
        assert 0 < float(told[1]) <= seconds < least


def test_without_a_minimum_there_is_no_speech(encoder, write):
    path = write(np.zeros(16_000))
    with pytest.raises(ValueError) as e:
        encoder.embed_files(path, min_speech=0)
    assert str(e.value) == f"{path}: no speech in 1.0 s of audio; give another recording"


@pytest.mark.parametrize("address", ["file:///runs/one", "https://host/run", "hf://me/run"])
def test_an_address_is_no_run(address):
    with pytest.raises(RecipeError, match="an address: expected the path of a run's folder here"):
        find_bundle(address)

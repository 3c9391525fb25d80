"""Who speaks now: streams of raw samples and of WAV, an hour of them."""

import io
import resource
import struct
import sys
import time

import numpy as np
import pytest
import soundfile as sf
from speechbrain.inference.interfaces import foreign_class

import not_speech
from local.errors import RecipeError
from local.layout import SAMPLE_RATE
from local.people.live import WINDOW, microphone_seconds, read_seconds, recent_speech


@pytest.fixture(scope="module")
def encoder(trained):
    options = {"pymodule_file": "speaker_encoder.py", "classname": "SpeakerEncoder"}
    source = str(trained / "inference")
    return foreign_class(source=source, **options, run_opts={"device": "cpu"})


def stream(content):
    return io.BufferedReader(io.BytesIO(content))


def as_wav(samples, rate=SAMPLE_RATE, subtype="PCM_16"):
    file = io.BytesIO()
    sf.write(file, samples, rate, subtype=subtype, format="WAV")
    return file.getvalue()


def test_raw_samples_and_wav_are_the_same_seconds():
    samples = np.random.default_rng(0).integers(-9999, 9999, 40_001).astype("<i2")
    raw = list(read_seconds(stream(samples.tobytes())))
    assert [len(second) for second in raw] == [16_000, 16_000, 8001]
    assert np.array_equal(np.concatenate(raw), samples.astype(np.float32) / 32768)
    piped = bytearray(as_wav(samples))
    piped[4:8] = piped[40:44] = struct.pack("<I", 0xFFFFFFFF)  # as FFmpeg writes it to a pipe
    for content in (as_wav(samples), bytes(piped)):
        assert np.array_equal(
            np.concatenate(list(read_seconds(stream(content)))), np.concatenate(raw)
        )
    assert len(np.concatenate(list(read_seconds(stream(samples.tobytes() + b"x"))))) == 40_001
    assert list(read_seconds(stream(b""))) == []


@pytest.mark.parametrize("options", [{"rate": 8000}, {"subtype": "PCM_24"}, {"channels": 2}])
def test_wav_of_another_kind_is_refused(options):
    samples = np.zeros((100, options.pop("channels", 1)))
    with pytest.raises(RecipeError, match="expected 16000 Hz, 1 channel, 16 bits; e.g. ffmpeg -i"):
        list(read_seconds(stream(as_wav(samples, **options))))
    with pytest.raises(RecipeError, match="not a WAV stream that can be read"):
        list(read_seconds(stream(b"RIFF1234nothing")))


def test_speech_is_answered_at_once_and_silence_not(encoder):
    voice = not_speech.voice(np.random.default_rng(1)).astype(np.float32)
    seconds = [*np.split(voice[:48_000], 3), np.zeros(16_000, np.float32), voice[:16_000]]
    seconds += [np.full(16_000, np.nan, np.float32)]
    answers = list(recent_speech(encoder, iter(seconds)))
    lengths = [0 if signal is None else len(signal) // SAMPLE_RATE for _, _, signal in answers]
    assert lengths[3:] == [0, 1, 0]  # who speaks after a pause may be somebody else
    assert max(lengths[:3]) >= 2 and [number for number, *_ in answers] == [1, 2, 3, 4, 5, 6]
    began = time.process_time()
    signal = next(
        signal for _, _, signal in recent_speech(encoder, iter([voice])) if signal is not None
    )
    encoder.embed_windows(signal[None])
    assert len(signal) == WINDOW * SAMPLE_RATE and time.process_time() - began < 5


def test_an_hour_needs_no_more_memory_than_a_minute(encoder):
    voice = not_speech.voice(np.random.default_rng(1)).astype(np.float32)

    def hour(seconds):
        for second in range(seconds):
            yield voice[:16_000] if second % 60 < 2 else np.zeros(16_000, np.float32)

    def peak(seconds):
        heard = sum(signal is not None for _, _, signal in recent_speech(encoder, hour(seconds)))
        assert heard >= seconds // 60
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB

    before = peak(120)
    assert peak(3600) - before < 20_000  # the hour itself has 230,000


def test_without_a_microphone_it_is_said_how_to_pipe(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(RecipeError, match="sounddevice cannot be used .*arecord -f S16_LE"):
        next(microphone_seconds())

"""What only FFmpeg reads: recordings of phones and browsers, and videos."""

import sys

import av
import numpy as np
import pytest
import soundfile as sf

from local.corpora.convert import convert
from local.corpora.decoding import open_audio, read_info
from local.corpora.folder import prepare_folder
from local.errors import RecipeError

KINDS = (  # name, codec, sampling rate
    *(("of_a_phone.m4a", "aac", 44100), ("of_a_browser.webm", "libopus", 48000)),
    *(("call.amr", "libopencore_amrnb", 8000), ("stream.aac", "aac", 16000)),
    *(("video.mp4", "aac", 32000), ("video.mkv", "libopus", 48000), ("old.3gp", "aac", 16000)),
    ("voice_memo.mov", "aac", 48000),
)


def write_picture(out):
    """Give a file a video of one picture; returns what is to be written when all streams are."""
    stream = out.add_stream("mpeg4", rate=5, width=32, height=32, pix_fmt="yuv420p")
    frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
    return lambda: out.mux(stream.encode(frame) + stream.encode(None))


def encode(path, codec, rate, seconds=3.0, channels=1, video=False):
    """Write a chord of `seconds` with a codec."""
    time = np.arange(round(seconds * rate)) / rate
    signal = sum(np.sin(2 * np.pi * f * time) for f in (150, 440, 1000)) / 6
    signal = np.repeat(signal[None].astype(np.float32), channels, axis=0)
    layout = {1: "mono", 2: "stereo"}[channels]
    with av.open(str(path), "w", format="adts" if path.suffix == ".aac" else None) as out:
        write_video = write_picture(out) if video else lambda: None
        stream = out.add_stream(codec, rate=rate, layout=layout)
        write_video()
        frame = av.AudioFrame.from_ndarray(signal, format="fltp", layout=layout)
        frame.sample_rate = rate
        resampler = av.AudioResampler(format=stream.format, layout=layout, rate=rate)
        for part in (*resampler.resample(frame), None):
            out.mux(stream.encode(part))
    return path


@pytest.mark.parametrize("name, codec, rate", KINDS, ids=str)
def test_recordings_of_phones_and_browsers_are_read(tmp_path, name, codec, rate):
    path = encode(tmp_path / name, codec, rate, video=name.startswith("video"))
    info = read_info(path)
    assert (info.samplerate, info.channels) == (rate, 1)
    assert info.duration == pytest.approx(3.0, abs=0.1)
    level, _, seconds = convert(path, tmp_path / "out.wav")
    assert seconds == pytest.approx(3.0, abs=0.1) or (name.endswith(".aac") and seconds == 0)
    assert level.samples == pytest.approx(48_000, abs=1600)
    signal, _ = sf.read(tmp_path / "out.wav")
    spectrum = np.abs(np.fft.rfft(signal[8000:40_000]))
    found = {round(peak / 2) for peak in np.argsort(spectrum)[-3:]}  # bins of half a Hz
    assert found == {150, 440, 1000}


def test_blocks_of_any_length_are_the_same_audio(tmp_path):
    path = encode(tmp_path / "a.m4a", "aac", 44100, channels=2)
    signals = []
    for size in (1000, 1024, 44_100, 10**6):
        with open_audio(path) as audio:
            signals.append(np.concatenate(list(audio.blocks(size))))
    assert signals[0].shape[1] == 2 and signals[0].dtype == np.float32
    assert all(np.array_equal(signals[0], other) for other in signals)


def test_a_folder_of_such_recordings_becomes_a_corpus(tmp_path, capsys):
    for speaker in range(4):
        for session in range(2):
            folder = tmp_path / f"people/s{speaker}/{session}"
            folder.mkdir(parents=True)
            encode(folder / "a.m4a", "aac", 44100, seconds=1 + speaker / 4 + session / 8)
            encode(folder / "b.webm", "libopus", 48000, seconds=1.1 + speaker / 4 + session / 8)
    prepare_folder(tmp_path / "people", tmp_path / "corpus")
    out = capsys.readouterr().out
    assert "8 aac compressed, 8 opus compressed" in out
    assert len(list((tmp_path / "corpus").glob("*/*/*/*.wav"))) == 16


def test_what_ffmpeg_cannot_read_either(tmp_path):
    whole = encode(tmp_path / "whole.m4a", "aac", 16000).read_bytes()
    broken = {
        "cut.m4a": whole[: len(whole) // 2],
        "head.m4a": whole[:40],
        "zeros.mp4": whole[:32] + bytes(20_000),
        "text.m4a": b"hello world\n" * 1000,
        "playlist.m4a": b"#EXTM3U\n#EXTINF:1\nfile:///etc/passwd\n",
        "noise.webm": b"\x1aE\xdf\xa3" + np.random.default_rng(0).bytes(20_000),
        "noise.amr": b"#!AMR\n",
    }
    for name, content in broken.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(sf.SoundFileError, match=f"Error opening .*{name}"):
            read_info(tmp_path / name)
        with pytest.raises(RecipeError, match=f"{name}: cannot be decoded"):
            convert(tmp_path / name, tmp_path / "out.wav")


def test_a_video_without_sound(tmp_path):
    with av.open(str(tmp_path / "mute.mp4"), "w") as out:
        write_picture(out)()
    with pytest.raises(RecipeError, match="mute.mp4: cannot be decoded .*it holds no audio"):
        convert(tmp_path / "mute.mp4", tmp_path / "out.wav")


def test_without_the_package_it_is_named(tmp_path, monkeypatch):
    path = encode(tmp_path / "a.m4a", "aac", 16000)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(sf.SoundFileError, match="the package av reads, not installed: pip install"):
        open_audio(path)

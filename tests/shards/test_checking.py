"""Audio that is wrong is found when shards are written, all of it at once, and told."""

import io
import re

import numpy as np
import pytest
import soundfile as sf

from local.errors import RecipeError
from local.shards import index_shards, write_shards
from shard_writing import wav_bytes


def encode(signal, fmt="WAV", subtype="FLOAT"):
    buffer = io.BytesIO()
    sf.write(buffer, signal, 16000, format=fmt, subtype=subtype)
    return buffer.getvalue()


def with_value(value):
    signal = np.full(3000, 0.1)
    signal[2000] = value
    return encode(signal)


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes(byte ^ 0x5A for byte in content[middle:][:400]) + content[-900:]


FAULTY = {
    "cut.wav": (wav_bytes()[:20000], "truncated: 12,044 of the bytes"),
    "by_a_byte.wav": (wav_bytes()[:-1], "truncated: 1 of the bytes"),
    "no_samples.wav": (wav_bytes()[:44], "truncated: 32,000 of the bytes"),
    "cut_float.wav": (wav_bytes(subtype="FLOAT")[:-400], "truncated: "),
    "cut_24.wav": (wav_bytes(subtype="PCM_24")[:-400], "truncated: "),
    "head.wav": (wav_bytes()[:20], "unreadable audio"),
    "cut_in_two.flac": (wav_bytes(fmt="FLAC")[:9000], "truncated or damaged"),
    "cut_a_little.flac": (wav_bytes(fmt="FLAC")[:-3], "truncated or damaged"),
    "damaged.flac": (flipped(wav_bytes(fmt="FLAC")), "truncated"),
    "nan.wav": (with_value(np.nan), "holds NaN or infinity"),
    "infinite.wav": (with_value(-np.inf), "holds NaN or infinity"),
    "none.wav": (b"", "the file is empty"),
    "silent.wav": (wav_bytes(0), "the audio is empty"),
    "page.wav": (b"<html>sign in</html>" * 90, "unreadable audio"),
    "cut_vorbis.wav": (encode(np.ones(9000), "OGG", "VORBIS")[:2500], "truncated|unread|empty"),
}


@pytest.fixture
def tree(tmp_path):
    for number, split in enumerate(("train", "train", "dev", "dev")):
        write(tmp_path, split, f"{number}.wav", wav_bytes(900 + number))
    (tmp_path / "meta.csv").write_text("id,idx\ns,0\n")
    return tmp_path


def write(tree, split, name, content):
    path = tree / "tree" / split / ("s/x" if split == "train" else "t/x") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def write_all(tree, **options):
    write_shards(tree / "tree", tree / "meta.csv", tree / "out", size=2, **options)


@pytest.mark.parametrize("name", FAULTY)
def test_a_faulty_file_is_named(tree, name):
    content, message = FAULTY[name]
    write(tree, "dev", name, content)
    with pytest.raises(RecipeError, match=rf"1 of 5 audio .*t/x/{name}: .*({message})"):
        write_all(tree)
    assert [path.name for path in (tree / "out").glob("[!.]*")] == ["bad_audio.csv"]


def test_all_faulty_files_are_told_at_once(tree):
    for name, (content, _) in FAULTY.items():
        write(tree, "train" if name < "h" else "dev", name, content)
    with pytest.raises(RecipeError) as error:
        write_all(tree)
    message = str(error.value)
    assert message.startswith(f"{len(FAULTY)} of {len(FAULTY) + 4} audio files cannot go into")
    assert message.count(": truncated") >= 2 and message.endswith("shards without them stay")
    assert len(message.splitlines()) == 1 and len(re.findall(r"\.(wav|flac): ", message)) == 5


def test_without_the_check_headers_are_read(tree):
    write(tree, "dev", "nan.wav", with_value(np.nan))
    write_all(tree, check=False)
    assert len(index_shards(tree / "out/dev")) == 3
    write(tree, "eval", "none.wav", b"")
    with pytest.raises(RecipeError, match=r"none.wav: the file is empty"):
        write_all(tree, check=False)


@pytest.mark.parametrize("check", [True, False])
def test_good_files_of_all_kinds_go_in_as_they_are(tree, check):
    signal = np.sin(np.arange(5000) / 20) / 3
    kinds = {"a.wav": ("WAV", "FLOAT"), "b.wav": ("WAV", "PCM_24"), "c.flac": ("FLAC", "PCM_24")}
    kinds |= {"d.wav": ("WAVEX", "PCM_16"), "e.wav": ("WAV", "ULAW"), "f.wav": ("OGG", "VORBIS")}
    for name, (fmt, subtype) in kinds.items():
        write(tree, "dev", name, encode(signal, fmt, subtype))
    piped = bytearray(wav_bytes(700))  # to a pipe nobody can write the sizes afterwards
    piped[40:44] = piped[4:8] = b"\xff" * 4
    write(tree, "dev", "piped.wav", bytes(piped))
    write_all(tree, check=check)
    index = index_shards(tree / "out/dev")
    lengths = {sample.sample_id.split("/")[-1]: sample.num_frames for sample in index}
    assert all(lengths[name] == 5000 for name in "abcdef") and lengths["piped"] == 700

"""Files that go on after the end that their headers tell, which no decoder reads: said by name."""

import io
import struct

import numpy as np
import pytest
import soundfile as sf

import not_speech
from local.corpora.folder import prepare_folder
from local.corpora.quality import MORE
from local.corpora.surplus import surplus, surplus_of
from local.shards import write_shards

SAMPLES = np.random.default_rng(0).integers(-3000, 3000, 24000).astype(np.int16)
RATES = {"AU": 8000, "FLAC": 22050}


def encoded(fmt, subtype="PCM_16", signal=SAMPLES):
    file = io.BytesIO()
    sf.write(file, signal, RATES.get(fmt, 16000), format=fmt, subtype=subtype)
    return file.getvalue()


def fewer(content, missing):
    """A file whose header tells of fewer samples of 16 bits."""
    if content[:4] == b"fLaC":
        told = int.from_bytes(content[18:26], "big") - missing
        return content[:18] + told.to_bytes(8, "big") + content[26:]
    if content[:4] == b".snd":
        place, order = 8, ">I"
    else:
        order = "<I" if content[:4] == b"RIFF" else ">I"
        place = content.index(b"data" if order == "<I" else b"SSND") + 4
    (told,) = struct.unpack_from(order, content, place)
    return content[:place] + struct.pack(order, told - 2 * missing) + content[place + 4 :]


def chunk(name, size, order="<I"):
    return name + struct.pack(order, size) + size * b"x" + size % 2 * b"\0"


@pytest.mark.parametrize("fmt", ["WAV", "WAVEX", "AIFF", "AU", "FLAC"])
@pytest.mark.parametrize("missing", [300, 5001, 23000])
def test_samples_of_which_the_header_does_not_tell(tmp_path, fmt, missing):
    content = encoded(fmt)
    assert surplus(content) == ""
    path = tmp_path / "x"
    path.write_bytes(fewer(content, missing))
    assert len(sf.read(path)[0]) < len(SAMPLES)
    assert surplus_of(path).startswith("its header tells of fewer samples than follow: ")
    count = f"{missing:,} samples" if fmt == "FLAC" else f"{2 * missing:,} bytes"
    assert surplus_of(path).endswith(f"{count} are left out")


@pytest.mark.parametrize("fmt", ["WAV", "AIFF", "FLAC"])
def test_one_file_after_the_other(fmt):
    assert surplus(2 * encoded(fmt))


def test_flac_of_one_frame_and_of_many():
    for signal in (SAMPLES[:1000], np.tile(SAMPLES, 40)):
        content = encoded("FLAC", signal=signal)
        assert surplus(content) == ""
        assert surplus(fewer(content, 1)).endswith("1 samples are left out")


def test_what_may_follow_is_no_audio():
    tags = [
        b"TAG" + 125 * b"x",
        b"ID3\4" + 900 * b"\xff",
        b"APETAGEX" + 900 * b"\xff",
        9000 * b"\0",
    ]
    for fmt, order in (("WAV", "<I"), ("AIFF", ">I")):
        for samples in (SAMPLES, SAMPLES[:-1]):
            for subtype in ("PCM_16", "PCM_24", "ULAW"):
                content = encoded(fmt, subtype, samples)
                names = (b"LIST", b"id3 ", b"cue ", b"bext", b"_PMX", b"ID3 ", b"NAME", b"ANNO")
                chunks = [chunk(name, size, order) for name in names for size in (700, 701)]
                for tail in (*chunks, b"".join(chunks), chunks[0][:-300], *tags, b"\0\r\n"):
                    assert surplus(content + tail) == "", (fmt, subtype, tail[:20])
                assert surplus(content + chunks[0] + tags[1]) == ""
    odd = encoded("WAV", "PCM_U8", SAMPLES[:-1])
    for content in (odd, odd.removesuffix(b"\0")):  # not all programs make lengths even
        assert surplus(content + chunk(b"LIST", 700)) == ""
    for tail in tags:
        assert surplus(encoded("FLAC") + tail) == surplus(encoded("AU") + tail) == ""


def test_a_length_that_is_unknown_leaves_nothing_out():
    content = encoded("WAV")
    place = content.index(b"data") + 4
    for size in (0x7FFFF000, 0xFFFFFFFF):
        file = content[:place] + struct.pack("<I", size) + content[place + 4 :]
        assert len(sf.read(io.BytesIO(file))[0]) == len(SAMPLES) and surplus(file) == ""
    content = encoded("FLAC")
    assert surplus(fewer(content, len(SAMPLES))) == ""  # 0: they are counted by decoding


def test_damaged_files_are_judged_without_an_error():
    rng = np.random.default_rng(0)
    for fmt in ("WAV", "AIFF", "AU", "FLAC"):
        good = encoded(fmt)
        for _ in range(100):
            content = bytearray(good[: rng.integers(1, len(good))])
            for place in rng.integers(0, min(len(content), 60), 3):
                content[place] = rng.integers(256)
            assert isinstance(surplus(bytes(content)), str)


@pytest.mark.parametrize("fmt", ["WAV", "FLAC"])
def test_the_summary_of_a_corpus_and_of_shards_tells_of_it(tmp_path, capsys, fmt):
    for speaker in "abcd":
        for session in "xyz":
            for split in ("train", "dev"):
                rng = np.random.default_rng(list(f"{speaker}{session}{split}".encode()))
                path = tmp_path / split / f"{split}{speaker}/{session}/0.{fmt.lower()}"
                path.parent.mkdir(parents=True)
                sf.write(path, not_speech.voice(rng), 16000, format=fmt, subtype="PCM_16")
    path.write_bytes(fewer(path.read_bytes(), 3000))
    told = f"files {MORE}, first {path}"
    prepare_folder(tmp_path / "dev", tmp_path / "corpus")
    assert f"warning: 1 of 12 {told}\n" in capsys.readouterr().err
    (tmp_path / "meta.csv").write_text("id,idx\ntraina,0\ntrainb,1\ntrainc,2\ntraind,3\n")
    write_shards(tmp_path, tmp_path / "meta.csv", tmp_path / "shards")
    assert f"warning: 1 of 24 {told}\n" in capsys.readouterr().err

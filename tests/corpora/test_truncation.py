"""Audio that was cut off, also where what is left decodes as a good, shorter recording."""

import io

import numpy as np
import pytest
import soundfile as sf

from local.corpora.folder import prepare_folder
from local.corpora.surplus import surplus
from local.corpora.truncation import truncation, truncation_of
from local.errors import RecipeError
from local.shards import index_shards, write_shards


def encoded(fmt, subtype, seconds=3.0):
    rng = np.random.default_rng(round(seconds * 100))
    signal = 0.2 * rng.standard_normal(round(16000 * seconds))
    file = io.BytesIO()
    sf.write(file, signal, 16000, format=fmt, subtype=subtype)
    return file.getvalue()


def at_a_page(content):
    """Without the last page: all that is left is whole."""
    return content[: content.rindex(b"OggS")]


def at_the_first_page_of_audio(content):
    return content[: content.rindex(b"OggS", 0, content.rindex(b"OggS"))]


def half(content):
    return content[: len(content) // 2]


def by_a_byte(content):
    return content[:-1]


def by_a_hundred(content):
    return content[:-100]


def by_a_third(content):
    return content[: len(content) * 2 // 3]


CUT = [
    *[("OGG", "VORBIS", cut) for cut in (at_a_page, half, by_a_byte)],
    *[("OGG", "OPUS", cut) for cut in (at_a_page, at_the_first_page_of_audio, half, by_a_byte)],
    *[("WAV", subtype, cut) for subtype in ("PCM_16", "FLOAT", "ULAW") for cut in (half,)],
    *[("WAVEX", subtype, by_a_byte) for subtype in ("PCM_16", "PCM_24")],
    ("MP3", "MPEG_LAYER_III", half),
    *[
        (fmt, "PCM_16", by_a_hundred)
        for fmt in ("AVR", "CAF", "MAT4", "MAT5", "NIST", "SVX", "VOC")
    ],
    *[(fmt, "PCM_16", by_a_third) for fmt in ("AIFF", "AU", "AVR", "MAT5", "MPC2K", "NIST", "VOC")],
    *[(fmt, "ULAW", by_a_third) for fmt in ("AIFF", "AU", "NIST", "VOC")],
    *[
        ("PAF", "PCM_24", by_a_hundred),
        ("CAF", "ALAC_16", by_a_hundred),
        ("CAF", "FLOAT", by_a_hundred),
    ],
    *[
        ("NIST", "PCM_24", by_a_third),
        ("MAT5", "DOUBLE", by_a_third),
        ("MAT4", "FLOAT", by_a_third),
    ],
    *[(fmt, "PCM_16", by_a_third) for fmt in ("W64", "RF64")],
]
NAMES = [f"{fmt}-{subtype}-{cut.__name__}" for fmt, subtype, cut in CUT]


@pytest.mark.parametrize("fmt, subtype, cut", CUT, ids=NAMES)
def test_cut_audio_is_told_when_shards_are_written(tmp_path, fmt, subtype, cut):
    for split, content in (("train", encoded("WAV", "PCM_16")), ("dev", encoded(fmt, subtype))):
        path = tmp_path / "tree" / split / split / "x/0.wav"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    (tmp_path / "meta.csv").write_text("id,idx\ntrain,0\n")
    good = path.read_bytes()
    path.write_bytes(cut(good))
    with pytest.raises(RecipeError, match=r"1 of 2 audio files .*/0.wav: truncated"):
        write_shards(tmp_path / "tree", tmp_path / "meta.csv", tmp_path / "shards")
    path.write_bytes(good)
    write_shards(tmp_path / "tree", tmp_path / "meta.csv", tmp_path / "shards")
    assert len(index_shards(tmp_path / "shards/dev")) == 1


def test_cut_audio_is_told_when_a_folder_is_prepared(tmp_path, capsys):
    for number, (fmt, subtype, cut) in enumerate(CUT):
        for speaker in range(4):
            name = {"OGG": "ogg", "MP3": "mp3"}.get(fmt, "wav")
            path = tmp_path / f"data/s{speaker}/v{number}/{cut.__name__}.{name}"
            path.parent.mkdir(parents=True)
            content = encoded(fmt, subtype, 3 + number / 25 + speaker / 100)
            path.write_bytes(cut(content) if speaker == 0 else content)
    prepare_folder(tmp_path / "data", tmp_path / "corpus")
    err = capsys.readouterr().err
    count = f"{len(CUT)} of {4 * len(CUT)} files are truncated"
    assert f"warning: {count}: they hold less audio than their headers say, first " in err
    assert len(list((tmp_path / "corpus").rglob("*.wav"))) == 4 * len(CUT)  # none is left out


@pytest.mark.parametrize("fmt", sorted(set(sf.available_formats()) - {"RAW", "SD2"}))
def test_no_whole_file_of_any_format_is_taken_for_cut_or_too_long(fmt):
    for subtype in sf.available_subtypes(fmt):
        for rate, seconds in ((16000, 1), (8000, 0.3001), (48000, 0.25)):
            file = io.BytesIO()
            try:
                sf.write(file, np.zeros(round(rate * seconds)), rate, format=fmt, subtype=subtype)
            except sf.SoundFileError:  # a kind that cannot be written
                continue
            assert truncation(file.getvalue()) == surplus(file.getvalue()) == "", (subtype, rate)


def test_oddities_of_whole_files_are_no_cut():
    """Of all that libsndfile finds to be otherwise, few lines tell that audio is missing."""
    content = encoded("W64", "PCM_16")
    place = content.index((32000).to_bytes(4, "little"))  # bytes a second
    assert truncation(content[:place] + b"\0\xff\0\0" + content[place + 4 :]) == ""
    content = encoded("NIST", "PCM_16")
    assert truncation(content.replace(b"sample_count -i 48000\n", b"")) == ""


def test_what_is_whole_or_of_another_kind(tmp_path):
    for fmt, subtype in (("OGG", "VORBIS"), ("OGG", "OPUS"), ("WAV", "PCM_16"), ("FLAC", "PCM_16")):
        content = encoded(fmt, subtype)
        assert truncation(content) == truncation(content + b"tags of some player") == ""
        assert fmt != "OGG" or truncation(2 * content) == ""  # one stream after the other
        (tmp_path / "x").write_bytes(content[:-100])
        assert bool(truncation_of(tmp_path / "x")) == (fmt != "FLAC")


def test_letters_in_the_audio_are_no_page():
    content = encoded("OGG", "VORBIS")
    middle = content.rindex(b"OggS") + 300
    assert truncation(content[:middle] + b"OggS" + b"x" * 40 + content[middle + 44 :]) == ""

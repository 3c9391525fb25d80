"""Shards of audio that lies elsewhere: of a list of utterances, through archives, and converted."""

import shutil
import zipfile
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile as sf

import not_speech
from conftest import shared
from local.corpora.convert import convert
from local.corpora.utterance_list import write_utterances
from local.errors import RecipeError
from local.shards import index_shards, read_shards, write_shards

RNG = np.random.default_rng(0)


def encode(path, signal, rate, layout="mono"):
    """Write m4a, as VoxCeleb2 has it; the signal is of shape (time,) or (time, channels)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    planes = np.ascontiguousarray(np.atleast_2d(signal.T), np.float32)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=layout)
        frame.sample_rate = rate
        for part in (frame, None):
            out.mux(stream.encode(part))


def voice(seed):
    return not_speech.voice(np.random.default_rng(seed))


@pytest.fixture(scope="module")
def audio(tmp_path_factory):
    """A folder of recordings of all kinds, one speaker each of two sessions."""
    root = tmp_path_factory.mktemp("audio")
    for number, name in enumerate("abcdef"):
        for session in "xy":
            signal = voice([number, ord(session)])
            path = root / name / session / f"{number}.wav"
            path.parent.mkdir(parents=True)
            if name == "a":
                sf.write(path, signal, 16000, subtype="PCM_16")
            elif name == "b":
                sf.write(path.with_suffix(".flac"), signal, 16000)
            elif name == "c":
                sf.write(path, np.repeat(signal, 3), 48000)
            elif name == "d":
                encode(path.with_suffix(".m4a"), signal, 16000)
            elif name == "e":
                both = np.repeat(np.stack([signal, -signal], axis=1), 3, axis=0)
                encode(path.with_suffix(".m4a"), both, 48000, "stereo")
            else:
                sf.write(path.with_suffix(".ogg"), 1.2 * signal / signal.max(), 16000, format="OGG")
    return root


def rows(root, split_of="train train train dev dev dev"):
    """The list of utterances of a folder of speakers."""
    found = {}
    for path in sorted(root.rglob("*.*")):
        speaker = path.relative_to(root).parts[0]
        split = split_of.split()["abcdef".index(speaker)]
        sample_id = str(path.relative_to(root).with_suffix(""))
        found.setdefault(split, []).append((sample_id, str(path)))
    return found


def make(corpus, listed):
    corpus.mkdir(exist_ok=True)
    write_utterances(corpus, listed)
    (corpus / "tiny_meta.csv").write_text("id,idx\na,0\nb,1\nc,2\n")
    return corpus


def write(corpus, out, **options):
    write_shards(corpus, corpus / "tiny_meta.csv", out, **options)
    return {path.relative_to(out): path.read_bytes() for path in out.rglob("*.*")}


def samples(out):
    found = {}
    for split in ("train", "dev"):
        for sample, content in read_shards(index_shards(out / split).shards):
            found[sample.sample_id] = content
    return found


@pytest.fixture(scope="module")
def plain(audio, tmp_path_factory):
    """The shards of these recordings by their paths, and what was said."""
    out = tmp_path_factory.mktemp("plain")
    return write(make(out / "corpus", rows(audio)), out / "shards", size=4), out


def test_audio_goes_in_as_it_is_or_as_a_folder_of_it_would(audio, plain, tmp_path, capsys):
    _, out = plain
    found = samples(out / "shards")
    for path in audio.rglob("*.*"):
        key = str(path.relative_to(audio).with_suffix(""))
        if key[0] in "ab":
            assert found[key] == path.read_bytes()
        else:
            convert(path, tmp_path / "a.wav")
            assert found[key] == (tmp_path / "a.wav").read_bytes()
    capsys.readouterr()
    write(out / "corpus", out / "shards", size=4)
    err = capsys.readouterr().err
    told = "warning: 2 of 12 files have channels that cancel, of which the louder was taken, first "
    assert f"{told}{audio}/e/x/4.m4a, {audio}/e/y/4.m4a" in err
    assert "2 of 12 files are louder than full scale, and scaled to it, first" in err


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_archives_give_the_same_shards(audio, plain, tmp_path, kind):
    path = tmp_path / "vox.ZIP"
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr("wav/", "")
        for each in sorted(audio.rglob("*.*")):
            if each.parts[-3] != "b":  # which lies beside it
                archive.write(each, f"wav/{each.relative_to(audio)}")
    content = path.read_bytes()
    path.write_bytes(b"some bytes before, as of a program that unpacks it" + content)
    listed = {
        split: [
            (key, place if key[0] == "b" else place.replace(str(audio), f"{path}/wav"))
            for key, place in utterances
        ]
        for split, utterances in rows(audio).items()
    }
    assert write(make(tmp_path / "corpus", listed), tmp_path / "out", size=4) == plain[0]


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_bytes_do_not_depend_on_the_number_of_processes(plain, tmp_path, processes):
    files, out = plain
    assert write(out / "corpus", tmp_path / "out", size=4, processes=processes) == files


@pytest.mark.parametrize("check", [True, False])
def test_a_list_gives_the_shards_of_the_same_tree(small, tmp_path, check):
    listed = {
        split: [
            (str(path.relative_to(small.corpus / split).with_suffix("")), str(path))
            for path in sorted((small.corpus / split).rglob("*.wav"), reverse=True)
        ]
        for split in ("dev", "val", "train")
    }
    shutil.copy(small.corpus / "tiny_meta.csv", tmp_path)
    write_utterances(tmp_path, listed)
    assert write(tmp_path, tmp_path / "a", check=check) == write(
        small.corpus, tmp_path / "b", check=check
    )


def archive_of(path, content=b"RIFF", name="a.wav"):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, content)
    return path


def cut(path):
    path.write_bytes(archive_of(path, bytes(90_000)).read_bytes()[:50_000])


def flip(path):
    content = bytearray(archive_of(path, bytes(90_000)).read_bytes())
    content[60_000] ^= 1
    path.write_bytes(content)


def encrypt(path):
    content = bytearray(archive_of(path).read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)


def begin_elsewhere(path):
    content = bytearray(archive_of(path, bytes(90_000)).read_bytes())
    content[:2] = b"XX"
    path.write_bytes(content)


@pytest.mark.parametrize(
    "spoil, message",
    [
        (
            cut,
            r"^{path}: no whole zip archive \(File is not a zip file\): download it",
        ),
        (flip, r"{path}/a.wav: the zip archive is damaged there \(Bad CRC-32\): download it"),
        (begin_elsewhere, r"{path}/a.wav: the zip archive is damaged there \(no file begins there"),
        (encrypt, "^{path}: a.wav needs a password: unpack the archive"),
        (lambda path: path.write_bytes(b""), "^{path}: no whole zip archive"),
        (lambda path: archive_of(path, name="b.wav"), "audio of 1 of 1 utter.*: {path}/a.wav; bri"),
        (lambda path: None, "audio of 1 of 1 utterances is not there: {path}/a.wav"),
    ],
)
def test_archives_that_are_damaged(tmp_path, spoil, message):
    path = tmp_path / "a.zip"
    spoil(path)
    corpus = make(tmp_path / "corpus", {"dev": [("s/v/a", f"{path}/a.wav")]})
    with pytest.raises(RecipeError, match=message.format(path=path)) as error:
        write(corpus, tmp_path / "out")
    assert len(str(error.value).splitlines()) == 1
    assert [path.name for path in tmp_path.glob("out/*")] in ([], ["bad_audio.csv"])


@pytest.mark.parametrize(
    "listed, message",
    [
        ({"test": [("s/v/a", "/a.wav")]}, ":2: split 'test': expected train, val, dev, eval"),
        ({"dev": [("s/v", "/a.wav")]}, ":2: id 's/v': expected speaker/session/utterance"),
        ({"dev": [("s//a", "/a.wav")]}, ":2: id 's//a': expected speaker/session/utterance"),
        ({"dev": [("s/v/\x01", "/a.wav")]}, ":2: an id with control characters"),
        ({"dev": [("s/v/a", "/a.wav")] * 2}, "s/v/a comes twice in dev: keep one of the rows"),
        ({"dev": [("s/v/a", "")]}, "1 of 1 utterances is not there: s/v/a, which has no path"),
        (
            {"dev": [(f"s/v/{n}", f"/no/{n}.wav") for n in range(7)]},
            "7 of 7 .*/4.wav, …",
        ),
        ({}, "no utterances"),
    ],
)
def test_lists_that_are_wrong(tmp_path, listed, message):
    corpus = make(tmp_path / "corpus", listed)
    with pytest.raises(RecipeError, match=message):
        write(corpus, tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))


def test_a_list_beside_folders_of_splits_is_refused(audio, tmp_path):
    corpus = make(tmp_path / "corpus", rows(audio))
    (corpus / "dev").mkdir()
    with pytest.raises(RecipeError, match="utterances.csv and the folders dev: expected one of bo"):
        write(corpus, tmp_path / "out")


def test_audio_that_cannot_be_converted_is_told_at_once(audio, tmp_path):
    listed = rows(shutil.copytree(audio, tmp_path / "audio"))
    wrong = {key: Path(path) for key, path in listed["dev"] if key[0] in "de"}
    for number, path in enumerate(wrong.values()):
        path.write_bytes([b"", b"<html>", path.read_bytes()[:900], bytes(5000)][number])
    with pytest.raises(RecipeError, match="^4 of 12 audio files cannot go into shards: ") as error:
        write(make(tmp_path / "corpus", listed), tmp_path / "out", size=2)
    for path in wrong.values():
        assert f"{path}: " in str(error.value)
    assert str(error.value).count("Error opening") == 0 and "the file is empty" in str(error.value)
    assert [path.name for path in tmp_path.glob("out/[!.]*")] == ["bad_audio.csv"]


def test_what_holds_no_speech_is_found_in_archives_too(tmp_path, capsys):
    sf.write(tmp_path / "hum.wav", not_speech.hum(RNG), 16000)
    encode(tmp_path / "hiss.m4a", not_speech.white(RNG), 16000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("hum.wav", "hiss.m4a"):
            archive.write(tmp_path / name, name)
    names = [("s/v/hiss", "hiss.m4a"), ("s/v/hum", "hum.wav")]
    listed = {"dev": [(key, f"{tmp_path}/a.zip/{name}") for key, name in names]}
    for _ in range(2):
        write(make(tmp_path / "corpus", listed), tmp_path / "out")
        err = capsys.readouterr().err
        told = f"2 of 2 files hold no speech, first {tmp_path}/a.zip/hiss.m4a, {tmp_path}/a.zip/hum"
        assert told in err


@pytest.mark.parametrize("data", [shared("tiny-librispeech")])
def test_real_speech(data, tmp_path):
    listed = {"dev": []}
    for path in sorted((data / "dev").rglob("*.flac"))[:6]:
        signal, rate = sf.read(path)
        key = "/".join(path.with_suffix("").parts[-3:])
        encode(tmp_path / f"aac/{key}.m4a", signal, rate)
        listed["dev"].append((key, str(tmp_path / f"aac/{key}.m4a")))
    write(make(tmp_path / "corpus", listed), tmp_path / "out")
    for sample in index_shards(tmp_path / "out/dev"):
        (path,) = (data / "dev").rglob(f"{sample.sample_id}.flac")
        assert 0 <= sample.num_frames - sf.info(path).frames < 4096  # of whole blocks, and a pause

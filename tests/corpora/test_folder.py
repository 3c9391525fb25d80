"""A folder of speakers becomes a corpus: names, conversion, splits, metadata and errors."""

import csv
import filecmp
import os
import shutil
import socket
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import soundfile as sf

from conftest import SHARED_DATA
from local.corpora import folder as folder_module
from local.corpora.folder import prepare_folder
from local.errors import RecipeError
from local.scoring.trials import read_trials

ARABIC = SHARED_DATA / "arabic-speakers"


def write_audio(path, *, rate=16000, seconds=0.2, channels=1, **options):
    """Noise, different for each name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(list(str(path.name).encode()))
    signal = 0.1 * rng.standard_normal((round(rate * seconds), channels))
    sf.write(path, signal, rate, **options)
    return path


def make_tree(root, *, speakers=8, sessions=5, utterances=2):
    for speaker in range(speakers):
        for session in range(sessions):
            for utterance in range(utterances):
                write_audio(root / f"s{speaker}" / f"v{session}" / f"{utterance}.wav")
    return root


def ids(corpus, split):
    """The ids "speaker/session/utterance" of a split, read from the disk."""
    root = corpus / split
    return sorted(str(path.relative_to(root))[:-4] for path in root.rglob("*.wav"))


def every_id(corpus):
    return [identifier for split in ("train", "val", "dev") for identifier in ids(corpus, split)]


def meta_rows(corpus):
    with open(corpus / "tiny_meta.csv", encoding="utf-8") as fin:
        return {row["id"]: row for row in csv.DictReader(fin)}


def files_below(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def assert_same_files(first, second):
    names = files_below(first)
    assert names == files_below(second)
    assert filecmp.cmpfiles(first, second, names, shallow=False)[0] == names


@pytest.fixture
def tree(tmp_path):
    return make_tree(tmp_path / "data")


@pytest.fixture
def corpus(tmp_path):
    return tmp_path / "out" / "corpus"


def assert_fails(tree, corpus, *parts):
    """The preparation ends in a RecipeError that says all parts, and leaves nothing behind."""
    with pytest.raises(RecipeError) as caught:
        prepare_folder(tree, corpus)
    for part in parts:
        assert str(part) in str(caught.value)
    assert not corpus.parent.exists() or not list(corpus.parent.iterdir())


def test_corpus_has_the_layout(tree, corpus, capsys):
    prepare_folder(tree, corpus)
    speakers = {
        split: {i.split("/")[0] for i in ids(corpus, split)} for split in ("train", "val", "dev")
    }
    assert len(speakers["dev"]) == 2 and len(speakers["train"]) == 6
    assert speakers["train"] == speakers["val"]
    assert not speakers["dev"] & speakers["train"]
    rows = meta_rows(corpus)
    assert [rows[speaker]["idx"] for speaker in sorted(speakers["train"])] == list("012345")
    assert all(rows[speaker]["idx"] == "" for speaker in speakers["dev"])
    out, err = capsys.readouterr()
    assert "train     6 speakers     48 utterances" in out and "warning" not in out
    assert "warning: with 12 trials the val EER moves in steps of 17 %" in err


def test_sessions_are_whole_and_in_one_split(tree, corpus):
    prepare_folder(tree, corpus)
    sessions = {}
    for split in ("train", "val", "dev"):
        sessions[split] = Counter(i.rpartition("/")[0] for i in ids(corpus, split))
        assert set(sessions[split].values()) == {2}
    assert len(set().union(*sessions.values())) == sum(map(len, sessions.values())) == 40


def test_trials_name_files_of_their_split_and_are_balanced(tree, corpus):
    prepare_folder(tree, corpus)
    for split in ("val", "dev"):
        trials = read_trials(corpus / f"{split}_trials.txt")
        assert {*trials.enrol, *trials.test} <= set(ids(corpus, split))
        assert trials.labels.sum() * 2 == len(trials) > 0


def test_equal_seeds_give_equal_bytes(tree, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        prepare_folder(tree, tmp_path / name, seed=seed)
    assert_same_files(tmp_path / "a", tmp_path / "b")
    assert ids(tmp_path / "a", "train") != ids(tmp_path / "c", "train")


def test_a_corpus_that_exists_is_kept(tree, corpus):
    prepare_folder(tree, corpus)
    before = {name: os.stat(corpus / name).st_mtime_ns for name in files_below(corpus)}
    shutil.rmtree(tree)
    prepare_folder(tree, corpus, seed=5)
    assert before == {name: os.stat(corpus / name).st_mtime_ns for name in files_below(corpus)}


def test_skip_prep_does_nothing(tree, corpus):
    prepare_folder(tree, corpus, skip_prep=True)
    assert not corpus.exists()


def test_names_of_deep_flat_and_blank_folders(tree, corpus):
    write_audio(tree / "s0" / "2019" / "day 1" / "take one.v2.wav")
    write_audio(tree / "s1" / "hello there.flac")
    write_audio(tree / "Ann Lee" / "v0" / "0.wav")
    write_audio(tree / "s2" / ".hidden" / "0.wav")
    write_audio(tree / ".cache" / "v0" / "0.wav")
    prepare_folder(tree, corpus)
    names = every_id(corpus)
    assert {"s0/2019-day_1/take_one_v2", "s1/hello_there/00000", "Ann_Lee/v0/0"} <= set(names)
    assert not any("hidden" in name or "cache" in name for name in names)
    assert len(names) == 83


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("s0/a.wav", "s0/a.flac"),
        ("s0/v/a b.wav", "s0/v/a_b.wav"),
        ("s0/x-y/a.wav", "s0/x/y/a.wav"),
        ("s0/a.wav", "s0/a/00000.wav"),
        ("x y/v/a.wav", "x_y/v/b.wav"),  # no file collides, but two speakers would become one
    ],
)
def test_names_that_collide(tree, corpus, first, second):
    write_audio(tree / first)
    write_audio(tree / second)
    speakers = [tree / "x y", tree / "x_y"]
    assert_fails(tree, corpus, *(speakers if "x y" in first else [tree / first, tree / second]))


@pytest.mark.parametrize("names", ["{}/v/0.wav {}/w/1.wav", "s0/{}/0.wav s0/{}/0.wav"])
def test_names_in_two_forms_that_look_alike(tree, corpus, names):
    for name, umlaut in zip(names.split(), ("\xfc", "u\u0308"), strict=True):
        write_audio(tree / name.format(f"J{umlaut}rgen"))
    assert_fails(tree, corpus, r"Ju\u0308rgen", r"J\xfcrgen", "in two forms of Unicode")


def test_speakers_who_differ_in_letter_case_are_told(tree, corpus, capsys):
    write_audio(tree / "S0" / "v7" / "0.wav")
    prepare_folder(tree, corpus)
    told = "warning: speakers whose names differ in letter case only: 1 ('S0' and 's0')"
    assert told in capsys.readouterr().err


def test_a_name_that_is_not_utf8(tree, corpus):
    try:
        write_audio(tree / "s0" / "v0" / "x.wav").rename(
            tree / "s0" / "v0" / os.fsdecode(b"\xff.wav")
        )
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    assert_fails(tree, corpus, r"\xff.wav", "not UTF-8")


def test_links_are_followed_but_never_in_circles(tree, corpus, capsys):
    elsewhere = write_audio(tree.parent / "disk" / "s9" / "v0" / "0.wav").parents[1]
    (tree / "s9").symlink_to(elsewhere)
    (tree / "s0" / "up").symlink_to(tree)
    (tree / "s0" / "root").symlink_to(tree.parent)
    (tree / "s1" / "again").symlink_to(tree / "s1" / "v0")
    prepare_folder(tree, corpus)
    assert len(every_id(corpus)) == 81 and "s9/v0/0" in every_id(corpus)
    assert "3 links to what is there already" in capsys.readouterr().out


def test_one_folder_below_each_speaker_is_no_session(tmp_path, corpus, capsys):
    for speaker in "abcdef":
        for number in range(5):
            write_audio(tmp_path / "data" / speaker / "wav" / f"{number}.wav")
    prepare_folder(tmp_path / "data", corpus)
    assert len(ids(corpus, "val")) == 2 * 4
    assert "each file counts as a session of its own" in capsys.readouterr().out
    assert "a/wav-3/00000" in every_id(corpus)


def test_speakers_with_one_session_only_train(tree, corpus, capsys):
    for name in "xyz":
        write_audio(tree / name / "only" / "0.wav")
    prepare_folder(tree, corpus)
    names = {split: {i.split("/")[0] for i in ids(corpus, split)} for split in ("train", "val")}
    assert names["train"] - names["val"] == set("xyz")
    assert "3 speakers with a single session are in train only" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("id,gender,nationality", "{},{},Peru"),
        ("Speaker_ID;age;SEX;Nationality", "{};30;{}; Peru "),
        ("VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet", "{}\tsomebody\t{}\tPeru\tdev"),
    ],
)
def test_metadata_makes_trials_same_sex(tree, corpus, capsys, header, row):
    sex = {f"s{number}": ("Female", "male")[number < 4] for number in range(8)}
    lines = [header, *(row.format(*item) for item in sex.items()), row.format("nobody", "male")]
    (tree / "people.csv").write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    (tree / "words.csv").write_text("file,word\n1,yes\n")
    prepare_folder(tree, corpus)
    for split in ("val", "dev"):
        trials = read_trials(corpus / f"{split}_trials.txt")
        for first, second in zip(trials.enrol, trials.test, strict=True):
            assert sex[first[:2]] == sex[second[:2]]
    assert {speaker: r["gender"] for speaker, r in meta_rows(corpus).items()} == sex
    assert {r["nationality"] for r in meta_rows(corpus).values()} == {"Peru"}
    out = capsys.readouterr().out
    assert "people.csv tells the gender of 8 of 8 speakers" in out
    assert "words.csv ignored" in out


def test_metadata_that_contradicts_itself(tree, corpus):
    (tree / "people.csv").write_text("id,gender\ns0,f\ns1,m\ns0,m\n")
    assert_fails(tree, corpus, "people.csv:4", "s0", "'m'", "'f'")


def test_8khz_stereo_becomes_16khz_mono(tree, corpus, capsys):
    rate, seconds, tone = 8000, 1.5, 440
    time = np.arange(round(rate * seconds)) / rate
    left = 0.5 * np.sin(2 * np.pi * tone * time)
    sf.write(tree / "s0" / "v0" / "0.wav", np.stack([left, 0 * left], axis=1), rate)
    prepare_folder(tree, corpus)
    (path,) = corpus.rglob("s0/v0/0.wav")
    signal, rate = sf.read(path)
    assert rate == 16000 and signal.shape == (24000,)
    spectrum = np.abs(np.fft.rfft(signal * np.hanning(len(signal))))
    assert np.fft.rfftfreq(len(signal), 1 / rate)[spectrum.argmax()] == pytest.approx(tone, abs=1)
    assert np.abs(signal[2000:-2000]).max() == pytest.approx(0.25, abs=0.005)
    out = capsys.readouterr().out
    assert "1 of 80 files resampled to 16000 Hz: 1 from 8000 Hz" in out
    assert "1 of 80 files with several channels mixed down to mono" in out


def test_every_format_is_read_and_others_are_named(tree, corpus, capsys):
    names = ["a.flac", "b.ogg", "c.mp3", "d.aiff", "e.au", "f.WAV", "g.rf64", "h.w64"]
    for name in names:
        write_audio(tree / "s0" / "formats" / name)
    opus = {"rate": 48000, "format": "OGG", "subtype": "OPUS"}
    write_audio(tree / "s0" / "formats" / "i.opus", **opus)
    for name in ("j.wmx", "k.txt", "l.txt"):
        (tree / "s0" / "formats" / name).touch()
    prepare_folder(tree, corpus)
    assert sum("/formats/" in name for name in every_id(corpus)) == 9
    for path in corpus.rglob("formats/*.wav"):
        assert (sf.info(path).subtype, sf.info(path).samplerate) == ("PCM_16", 16000)
    out = capsys.readouterr().out
    assert "2 .txt, 1 .wmx" in out


def test_audio_that_cannot_be_read_is_named_before_anything_is_written(tree, corpus):
    broken = [tree / "s3" / f"v{number}" / "0.wav" for number in range(5)]
    for path in broken:
        path.write_bytes(b"this is no audio")
    sf.write(tree / "s4" / "v0" / "0.wav", np.zeros(0), 16000)
    parts = ["6 of 80 audio files", *broken, "export them again or remove them"]
    assert_fails(tree, corpus, *parts)
    for path in broken:
        write_audio(path)
    assert_fails(tree, corpus, "1 of 80 audio files", f"{tree / 's4/v0/0.wav'}: empty;")


def test_the_summary_names_what_is_silent_clipped_short_or_cancels(tree, corpus, capsys):
    quiet = 0.001 * np.random.default_rng(0).standard_normal(16000)
    loud = np.sin(np.arange(16000) / 10)
    for name, signal, subtype in (
        ("digital", np.zeros(16000), "PCM_16"),
        ("offset", np.full(16000, 0.2), "PCM_16"),
        ("floor", quiet, "PCM_16"),
        ("square", np.clip(3 * loud, -1, 1), "PCM_16"),
        ("one", np.full(1, 0.1), "PCM_16"),
        ("cancels", np.stack([0.3 * loud, -0.3 * loud], axis=1), "PCM_16"),
        ("beyond", 1.7 * loud, "FLOAT"),
        ("full", 0.998 * loud, "PCM_16"),
    ):
        sf.write(tree / "s3" / "v0" / f"{name}.wav", signal, 16000, subtype=subtype)
    prepare_folder(tree, corpus)
    err = capsys.readouterr().err
    folder = tree / "s3" / "v0"
    for what, names in {
        "3 of 88 files are silent": ("digital", "offset", "one"),
        "1 of 88 files are nearly silent (peaks below -40 dB)": ("floor",),
        "1 of 88 files have channels that cancel, of which the louder was taken": ("cancels",),
        "1 of 88 files are louder than full scale, and scaled to it": ("beyond",),
    }.items():
        assert f"warning: {what}, first {', '.join(f'{folder / n}.wav' for n in names)}\n" in err
    assert "81 of 88 files are shorter than 0.5 s, first " in err  # those of the tree, too
    (clipped,) = (line for line in err.splitlines() if "are clipped" in line)
    assert "square.wav" in clipped and "full.wav" not in clipped
    assert "beyond.wav" not in clipped  # which is told to be scaled, and lost nothing


def test_all_that_is_wrong_is_told_at_once(tree, corpus):
    """One file a call was told, and each call decoded all that came before it."""
    folder = tree / "s3" / "v0"
    (folder / "2.wav").write_bytes(b"this is no audio")
    sf.write(folder / "3.wav", np.zeros(0), 16000)
    sf.write(folder / "4.wav", np.array([0.1, np.nan]), 16000, subtype="FLOAT")
    sf.write(folder / "5.wav", 1000 * np.sin(np.arange(16000)), 16000, subtype="FLOAT")
    path = write_audio(folder / "6.flac", seconds=3)
    path.write_bytes(path.read_bytes()[:20000])
    faults = [
        "Format not recognised",
        "empty",
        "holds NaN or inf",
        "found samples up to",
        "cannot be",
    ]
    files = [path for path in sorted(folder.iterdir()) if path.name > "2"]
    told = [f"{path}: {fault}" for path, fault in zip(files, faults, strict=True)]
    assert_fails(tree, corpus, "5 of 85 audio files cannot be used: ", *told, "nothing was written")


@pytest.mark.parametrize("name", ["x.wav", "x.flac", "x: y.wav"])
def test_links_to_lost_recordings_are_told_as_such(tree, corpus, name):
    """The message was "System error"."""
    (tree / "s3" / "v0" / name).symlink_to(tree / "unplugged: disk" / "0.wav")
    (tree / "s3" / "v1" / name).symlink_to(tree / "unplugged: disk" / "0.wav")
    (tree / "s3" / "v2" / name).symlink_to(name)
    parts = [f"{name}: a link that leads nowhere, to {tree}/unplugged: disk/0.wav;"]
    assert_fails(tree, corpus, "3 of 83 audio files", *parts, f"leads nowhere, to {name};")


def test_floats_on_the_16_bit_scale_leave_nothing(tree, corpus):
    path = tree / "s3" / "v0" / "x.wav"
    sf.write(path, 1000 * np.sin(np.arange(16000)), 16000, subtype="FLOAT")
    assert_fails(tree, corpus, path, "up to 999.995", "[-1, 1]", "divide them by 32768")


def test_audio_that_fails_while_decoding(tree, corpus):
    path = write_audio(tree / "s3" / "v0" / "x.flac", seconds=3)
    path.write_bytes(path.read_bytes()[:20000])
    assert_fails(tree, corpus, path, "cannot be decoded")


def test_audio_with_nan(tree, corpus):
    path = tree / "s3" / "v0" / "x.wav"
    sf.write(path, np.array([0.1, np.nan, 0.1]), 16000, subtype="FLOAT")
    assert_fails(tree, corpus, path, "NaN")


def test_an_interrupted_preparation_leaves_nothing(tree, corpus, monkeypatch):
    done = []

    def interrupt(source, target):
        if len(done) == 10:
            raise KeyboardInterrupt
        done.append(target)
        return convert(source, target)

    convert = folder_module.convert
    monkeypatch.setattr(folder_module, "convert", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare_folder(tree, corpus)
    assert not list(corpus.parent.iterdir())


def test_what_a_killed_preparation_left_is_removed(tree, corpus):
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=-1)
    name = f".corpus.{socket.gethostname()}-{int(done.stdout)}.partial"
    rest = write_audio(corpus.parent / name / "train" / "s0" / "gone" / "0.wav")
    prepare_folder(tree, corpus)
    assert not rest.exists() and not (corpus / "train" / "s0" / "gone").exists()
    assert [path.name for path in corpus.parent.iterdir()] == ["corpus"]


def test_too_few_speakers(tmp_path, corpus):
    data = make_tree(tmp_path / "data", speakers=3)
    assert_fails(data, corpus, "3 speaker folders", "at least 4", f"{data}/<speaker>/**")


def test_files_but_no_folders(tmp_path, corpus):
    write_audio(tmp_path / "data" / "a.wav")
    assert_fails(tmp_path / "data", corpus, "0 speaker folders", "1 audio files beside")


def test_only_files_that_nothing_reads(tmp_path, corpus):
    for speaker in "abcd":
        (tmp_path / "data" / speaker).mkdir(parents=True)
        (tmp_path / "data" / speaker / "x.wmx").touch()
    told = "speaker a (only .wmx), speaker b (only .wmx)"
    assert_fails(tmp_path / "data", corpus, "0 speaker folders", "4 .wmx", told)
    for speaker in "abcd":
        (tmp_path / "data" / speaker / "x.m4a").touch()
    told = f"{tmp_path / 'data/a/x.m4a'}: "
    assert_fails(tmp_path / "data", corpus, "4 of 4 audio files cannot be used", told)


def test_speakers_one_level_too_deep(tmp_path, corpus):
    make_tree(tmp_path / "data" / "LibriSpeech" / "train-clean-5")
    hint = tmp_path / "data" / "LibriSpeech" / "train-clean-5"
    assert_fails(tmp_path / "data", corpus, "1 speaker folders", f"are the speakers in {hint}?")


def test_the_tiny_voxceleb_layout_is_no_folder_of_speakers(tmp_path, corpus):
    for split in ("train", "val", "dev", "eval"):
        write_audio(tmp_path / "data" / split / "s0" / "v0" / "0.wav")
    assert_fails(tmp_path / "data", corpus, "dev, eval, train, val", "names of splits")


def test_no_such_folder(tmp_path, corpus):
    assert_fails(tmp_path / "absent", corpus, tmp_path / "absent")


def test_a_corpus_inside_its_data_is_refused(tree):
    with pytest.raises(RecipeError, match="inside"):
        prepare_folder(tree, tree / "out" / "corpus")
    assert not (tree / "out").exists()


@pytest.mark.skipif(not ARABIC.is_dir(), reason="../shared/data/arabic-speakers is not there")
def test_real_speech(corpus):
    prepare_folder(ARABIC, corpus)
    counts = {split: len(ids(corpus, split)) for split in ("train", "val", "dev")}
    assert counts == {"train": 16 * 9, "val": 16 * 3, "dev": 4 * 12}
    signals = {}
    for name in every_id(corpus)[::20]:
        speaker, session, _ = name.split("/")
        (path,) = corpus.rglob(f"{name}.wav")
        signals[name] = (sf.read(path)[0], sf.read(ARABIC / speaker / f"{session}.flac")[0])
    assert all(np.array_equal(*pair) for pair in signals.values())  # 16 kHz mono stays as it is


@pytest.mark.skipif(not ARABIC.is_dir(), reason="../shared/data/arabic-speakers is not there")
def test_real_speech_at_8khz_in_stereo(tmp_path, corpus):
    for path in sorted(ARABIC.glob("ar0[1-5]/00*.flac")):
        signal, rate = sf.read(path)
        copy = tmp_path / "data" / path.relative_to(ARABIC).with_suffix(".wav")
        copy.parent.mkdir(parents=True, exist_ok=True)
        sf.write(copy, np.stack([signal[::2]] * 2, axis=1), rate // 2)
    prepare_folder(tmp_path / "data", corpus)
    for path in corpus.rglob("*.wav"):
        original = sf.info(ARABIC / path.parts[-3] / f"{path.parts[-2]}.flac")
        assert abs(sf.info(path).frames - original.frames) <= 2

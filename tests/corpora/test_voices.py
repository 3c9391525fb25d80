"""Voices from Debian packages, with stand-ins for the packages, apt-get, dpkg-deb and sudo.

Nothing here uses the network. A clip is a tone whose pitch tells which clip it is, so that it can
be found again in the utterances.
"""

import contextlib
import csv
import io
import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from local.corpora import voices
from local.corpora.convert import PEAK, join_clips
from local.corpora.debian_packages import PackagesUnavailable, package_licence
from local.corpora.voices import find_voices, language_of, prepare_voices
from local.errors import RecipeError
from local.scoring.trials import read_trials

# A package archive is a tar here. apt-get behaves as with empty package lists until `update` ran.
TOOLS = {
    "apt-get": """\
echo "apt-get $*" >> "$FAKE/log"
echo "apt's own chatter"
for last; do :; done
case "$*" in
update) [ -e "$FAKE/offline" ] && echo "W: Failed to fetch: no network" || touch "$FAKE/lists" ;;
*) [ -e "$FAKE/lists" ] || { echo "E: Unable to locate package $last"; exit 100; }
   cp "$FAKE"/*.deb . ;;
esac
""",
    "dpkg-deb": """\
case "$1" in
-x) tar -xf "$2" -C "$3" ;;
-f) echo "1:2.3-4" ;;
esac
""",
    "sudo": """\
[ -e "$FAKE/may_sudo" ] || { echo "sudo: a password is required"; exit 1; }
shift
exec "$@"
""",
}
LICENCES = {
    "klettres-data": "GPL-2+",
    "ktuberling-data": "GPL-2+",
    "tuxpaint-stamps-default": "GPL-2",
}
# Spoken in one voice folder each: dev may have them. The last has too few clips for dev.
OWN_LANGUAGE = ("ar", "cs", "he", "hu", "ml", "es", "fi", "ja", "tn")
TOO_FEW = "lt"
KLETTRES = (*OWN_LANGUAGE, TOO_FEW, "en_GB", "nb", "ru")
KTUBERLING = ("nn", "sr", "sr@latin", "uk", "da")
TUXPAINT = ("", "_uk", "_be", "_fr")
CLIPS, CLIP_SECONDS, RATE = 24, 1.1, 16000


@pytest.fixture(scope="module")
def debian(tmp_path_factory):
    """A folder with archives of the three packages and the tools that deal with them."""
    fake = tmp_path_factory.mktemp("debian")
    trees = {name: fake / "trees" / name for name in LICENCES}
    for number, language in enumerate(KLETTRES):
        clips = 10 if language == TOO_FEW else CLIPS
        for clip in range(clips):
            path = f"usr/share/klettres/{language}/{'alpha' if clip % 2 else 'syllab'}/{clip}.ogg"
            stereo = number == 0 and clip % 2 == 0
            _write_clip(
                trees["klettres-data"] / path, clip, rate=44100 if stereo else RATE, stereo=stereo
            )
    for language in KTUBERLING:
        for clip in range(CLIPS):
            path = f"usr/share/ktuberling/sounds/{language}/{clip}.wav"
            _write_clip(trees["ktuberling-data"] / path, clip)
    for suffix in TUXPAINT:
        for clip in range(CLIPS):
            path = f"usr/share/tuxpaint/stamps/food/{clip}_desc{suffix}.ogg"
            _write_clip(trees["tuxpaint-stamps-default"] / path, clip)
    broken = trees["ktuberling-data"] / "usr/share/ktuberling/sounds/uk"
    shutil.copy(broken / "0.wav", broken / "copy.wav")
    (broken / "empty.wav").touch()
    sf.write(broken / "silent.wav", np.zeros(RATE), RATE)
    sf.write(trees["tuxpaint-stamps-default"] / "usr/share/tuxpaint/stamps/noise.ogg", [0.5], RATE)
    for name, tree in trees.items():
        _pack(fake, name, tree, f"Source: https://kde.org\n\nFiles: *\nLicense: {LICENCES[name]}\n")
    for name, script in TOOLS.items():
        (fake / "bin").mkdir(exist_ok=True)
        (fake / "bin" / name).write_text(f"#!/bin/sh\n{script}")
        (fake / "bin" / name).chmod(0o755)
    return fake


@pytest.fixture
def machine(debian, tmp_path, monkeypatch):
    """A machine with the packages within reach: root, full package lists; a copy, to be broken."""
    fake = tmp_path / "debian"
    shutil.copytree(debian, fake, ignore=shutil.ignore_patterns("trees", "log"))
    (fake / "lists").touch()
    monkeypatch.setenv("FAKE", str(fake))
    monkeypatch.setenv("PATH", f"{fake / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return fake


@pytest.fixture(scope="module")
def made(debian, tmp_path_factory):
    """The corpus made of these packages, and what was printed."""
    corpus = tmp_path_factory.mktemp("made") / "voices"
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as out:
        (debian / "lists").touch()
        patch.setenv("FAKE", str(debian))
        patch.setenv("PATH", f"{debian / 'bin'}{os.pathsep}{os.environ['PATH']}")
        prepare_voices(corpus)
    return corpus, out.getvalue()


def _write_clip(path, clip, rate=RATE, stereo=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(CLIP_SECONDS * rate)) / rate
    signal = 0.3 * np.sin(2 * np.pi * _pitch(clip) * time)
    sf.write(path, np.stack([signal, 0.5 * signal], 1) if stereo else signal, rate)


def _pitch(clip):
    return 300 + 100 * clip


def _pack(fake, name, tree, copyright_text):
    path = tree / "usr/share/doc" / name / "copyright"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(copyright_text)
    with tarfile.open(fake / f"{name}_1%3a2.3-4_all.deb", "w") as archive:
        archive.add(tree, ".")


def _clips_in(path):
    """Which clips an utterance is joined from."""
    signal, _ = sf.read(path)
    spectrum = np.abs(np.fft.rfft(signal))
    level = [spectrum[round(_pitch(c) * len(signal) / RATE)] for c in range(CLIPS)]
    return set(np.flatnonzero(np.array(level) > 0.2 * spectrum.max()).tolist())


def _speakers(corpus, split):
    return {path.name for path in (corpus / split).iterdir()}


def _files(folder):
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_a_voice_is_a_language_folder_and_folders_of_several_people_are_left_out(made):
    corpus, _ = made
    expected = {f"klettres-{language}" for language in KLETTRES} - {"klettres-ru"}
    expected |= {"ktuberling-nn", "ktuberling-sr", "ktuberling-uk", "tuxpaint-en", "tuxpaint-uk"}
    assert _speakers(corpus, "train") | _speakers(corpus, "dev") == expected


@pytest.mark.parametrize("name", ["klettres-de", "ktuberling-fr", "tuxpaint-pt_BR", "tuxpaint-be"])
def test_excluded_voices_are_not_found(name, tmp_path):
    package, language = name.split("-")
    for path in (f"klettres/{language}/alpha/a.ogg", f"ktuberling/sounds/{language}/a.opus"):
        (tmp_path / "usr/share" / path).parent.mkdir(parents=True)
        (tmp_path / "usr/share" / path).touch()
    stamps = tmp_path / "usr/share/tuxpaint/stamps"
    stamps.mkdir(parents=True)
    (stamps / f"a_desc_{language}.ogg").touch()
    found = find_voices(tmp_path)
    assert name not in found
    assert set(found) <= {f"{other}-{language}" for other in voices.CLIPS if other != package}


def test_dev_has_eight_voices_whose_language_nobody_else_speaks(made):
    corpus, _ = made
    dev, train = _speakers(corpus, "dev"), _speakers(corpus, "train")
    assert len(dev) == voices.DEV_VOICES
    assert dev <= {f"klettres-{language}" for language in OWN_LANGUAGE} | {"ktuberling-sr"}
    assert not {language_of(speaker) for speaker in dev} & {language_of(s) for s in train}
    assert _speakers(corpus, "val") == train


def test_utterances_are_16_khz_mono_of_2_to_4_seconds(made):
    corpus, _ = made
    for path in corpus.rglob("*.wav"):
        info = sf.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (RATE, 1, "PCM_16")
        assert 2 <= info.duration <= 4
        signal, _ = sf.read(path)
        assert np.abs(signal).max() == pytest.approx(PEAK, abs=1e-3)


def test_no_clip_is_used_twice(made):
    corpus, _ = made
    for speaker in _speakers(corpus, "train") | _speakers(corpus, "dev"):
        paths = [path for path in corpus.rglob("*.wav") if path.parts[-3] == speaker]
        used = [clip for path in paths for clip in _clips_in(path)]
        assert len(used) == 2 * len(paths), speaker  # two clips of 1.1 s make an utterance
        assert len(used) == len(set(used)), speaker


def test_val_holds_out_a_fifth_and_at_least_two_utterances(made):
    corpus, _ = made
    count = {
        split: len(list((corpus / split / "ktuberling-uk").rglob("*.wav")))
        for split in ("train", "val")
    }
    assert count == {"train": 10, "val": 2}
    lithuanian = list((corpus / "val" / f"klettres-{TOO_FEW}").rglob("*.wav"))
    assert [path.parent.name for path in lithuanian] == ["held-out", "held-out"]


def test_meta_and_trials_agree_with_the_tree(made):
    corpus, _ = made
    with open(corpus / "tiny_meta.csv", encoding="utf-8") as fin:
        rows = list(csv.DictReader(fin))
    train = [row["id"] for row in rows if row["idx"]]
    assert train == sorted(_speakers(corpus, "train"))
    assert {row["id"] for row in rows if not row["idx"]} == _speakers(corpus, "dev")
    assert {row["id"]: row["nationality"] for row in rows}["klettres-en_GB"] == "en"
    for split in ("val", "dev"):
        trials = read_trials(corpus / f"{split}_trials.txt")
        assert (trials.labels == 1).sum() == (trials.labels == 0).sum() > 0
        assert all((corpus / split / f"{key}.wav").is_file() for key in trials.enrol + trials.test)


def test_licences_are_printed_and_kept(made):
    corpus, printed = made
    for name, licence in LICENCES.items():
        assert f"{name} 1:2.3-4: {licence}, https://kde.org" in printed
        assert f"License: {licence}" in (corpus / "licences" / name).read_text()
    assert "chatter" not in printed
    assert "clips left out: 1 copied, 1 silent, 1 unreadable" in printed
    assert "dev: 8 voices, 96 utterances, 0.06 h" in printed
    assert {path.name for path in corpus.iterdir()} == {
        *("train", "val", "dev", "licences"),
        *("tiny_meta.csv", "val_trials.txt", "dev_trials.txt"),
    }


def test_equal_seeds_give_equal_trees_and_other_seeds_others(made, machine, tmp_path):
    corpus, _ = made
    prepare_voices(tmp_path / "again")
    assert _files(tmp_path / "again") == _files(corpus)
    prepare_voices(tmp_path / "other", seed=1)
    assert _files(tmp_path / "other") != _files(corpus)


def test_a_corpus_that_is_there_is_left_alone(made, machine):
    corpus, _ = made
    before = {path: path.stat().st_mtime_ns for path in corpus.rglob("*")}
    prepare_voices(corpus)
    assert before == {path: path.stat().st_mtime_ns for path in corpus.rglob("*")}
    assert not (machine / "log").exists()


def test_skip_prep_does_nothing(machine, tmp_path):
    prepare_voices(tmp_path / "voices", skip_prep=True)
    assert not (tmp_path / "voices").exists()


def test_a_folder_with_something_else_is_not_overwritten(machine, tmp_path):
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(RecipeError, match=r"holds no tiny_meta\.csv"):
        prepare_voices(tmp_path)
    assert (tmp_path / "thesis.txt").exists()


def test_empty_package_lists_are_updated(machine, tmp_path, capsys):
    (machine / "lists").unlink()
    prepare_voices(tmp_path / "voices")
    assert "running apt-get update" in capsys.readouterr().out
    assert (tmp_path / "voices" / "tiny_meta.csv").is_file()


def test_sudo_is_used_where_it_asks_for_no_password(machine, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (machine / "lists").unlink()
    (machine / "may_sudo").touch()
    prepare_voices(tmp_path / "voices")
    assert "running sudo -n apt-get update" in capsys.readouterr().out


def test_who_may_not_update_is_told_to(machine, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (machine / "lists").unlink()
    with pytest.raises(
        PackagesUnavailable, match=r"Unable to locate .* run 'apt-get update' as root"
    ):
        prepare_voices(tmp_path / "voices")
    assert "apt-get update" not in (machine / "log").read_text()


def test_no_network_is_one_clear_error_and_leaves_nothing(machine, tmp_path):
    (machine / "lists").unlink()
    (machine / "offline").touch()
    with pytest.raises(PackagesUnavailable, match=r"no network; use --corpus synthetic"):
        prepare_voices(tmp_path / "corpora" / "voices")
    assert list((tmp_path / "corpora").iterdir()) == []


def test_no_apt_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PackagesUnavailable, match="without apt-get and dpkg-deb; use --corpus"):
        prepare_voices(tmp_path / "voices")
    assert list(tmp_path.iterdir()) == []


def test_a_package_that_cannot_be_unpacked_is_named(machine, tmp_path):
    next(machine.glob("klettres*.deb")).write_bytes(b"cut off")
    with pytest.raises(
        RecipeError, match=r"klettres-data_.*\.deb: cannot be unpacked: .*tar"
    ) as info:
        prepare_voices(tmp_path / "voices")
    assert not isinstance(info.value, PackagesUnavailable)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Files: *\nLicense: CC-BY-NC-4.0\n", "CC-BY-NC-4.0"),
        ("Files: doc/*\nLicense: GPL-2\n\nLicense: GPL-2\n text", "not told"),
        ("This package was debianised in 1999. GPL-2.", "not told"),
    ],
)
def test_a_licence_that_is_not_known_to_be_free_is_refused(text, found, machine, tmp_path):
    _pack(machine, "klettres-data", tmp_path / "tree", text)
    with pytest.raises(
        RecipeError, match=f"'Files: \\*' is {found}: expected one of GPL-2"
    ) as info:
        prepare_voices(tmp_path / "voices")
    assert not isinstance(info.value, PackagesUnavailable)
    assert not (tmp_path / "voices").exists()


def test_a_missing_copyright_file_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="not told"):
        package_licence(tmp_path / "copyright")


def test_the_licence_of_all_files_is_taken_not_that_of_some(tmp_path):
    paragraphs = [
        "Format: 1.0\nSource: https://kde.org",
        "Files: doc/* po/*\nLicense: GFDL-1.2+",
        "Files: *\nCopyright: 2001, Éric\n           2002, Anne\nLicense: GPL-2+\n Free.\n .",
    ]
    (tmp_path / "copyright").write_text("\n\n".join(paragraphs), encoding="utf-8")
    assert package_licence(tmp_path / "copyright") == ("GPL-2+", "https://kde.org")


def test_packages_with_other_content_than_known_are_an_error(machine, tmp_path):
    _pack(machine, "klettres-data", tmp_path / "tree", "Files: *\nLicense: GPL-2+\n")
    with pytest.raises(RecipeError, match="5 usable voices, 3 of them"):
        prepare_voices(tmp_path / "voices")


def test_joined_clips_are_cut_at_4_s_and_a_short_rest_is_dropped():
    lengths = [len(u) / RATE for u in join_clips(np.zeros(round(s * RATE)) for s in (9, 1.9, 3, 1))]
    assert lengths == [4.0, 4.0]


def test_a_voice_gives_40_utterances_at_most(tmp_path):
    for clip in range(90):
        sf.write(tmp_path / f"{clip}.wav", np.sin(np.arange(2 * RATE) * (clip + 9) / 300), RATE)
    joined = voices._join_voices({"klettres-xx": sorted(Path(tmp_path).glob("*.wav"))}, seed=0)
    assert len(joined["klettres-xx"]) == voices.MAX_UTTERANCES

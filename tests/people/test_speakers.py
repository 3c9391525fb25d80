"""speakers.py, as a person uses it: verify, enrol, list, remove, identify, listen, embed."""

import io
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile as sf
from speechbrain.inference.interfaces import foreign_class

import not_speech
import speakers
from conftest import RECIPE, shared
from local.embeddings import read_embeddings
from local.people.gallery import changed_gallery, read_gallery
from local.people.voices import as_voices
from local.scoring.backends import cosine_similarity

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def run(decided_run):
    return decided_run


@pytest.fixture(scope="module")
def people(small):
    """Five recordings of each of four people of the training, by name."""
    folders = sorted((small.corpus / "train").iterdir())[:4]
    names = [folder.name for folder in folders]
    found = (small.corpus.glob(f"*/{name}/*/*.wav") for name in names)
    return {f"p{k}": sorted(paths) for k, paths in enumerate(found)}


@pytest.fixture
def ask(run, capsys, monkeypatch):
    """Call the script; returns the exit code, what it printed, and its errors."""

    def ask(verb, *words, stdin=None, checkpoint=run, **options):
        argv = [verb, *map(str, words)]
        for key, value in options.items():
            argv += [f"--{key}", *([] if value is True else [str(value)])]
        if verb not in ("list", "remove"):
            argv += ["--checkpoint", str(checkpoint)]
        if isinstance(stdin, bytes):
            stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(stdin)))
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(SystemExit) as stop:
            speakers.main(argv)
        captured = capsys.readouterr()
        return stop.value.code, captured.out, captured.err

    return ask


def tell(ask, *words, **options):
    """Ask for JSON; returns the exit code and the answers."""
    code, out, err = ask(*words, json=True, **options)
    return code, [json.loads(line) for line in out.splitlines()], err


@pytest.fixture
def gallery(ask, people, tmp_path):
    """Two of the people, enrolled by two recordings each."""
    path = tmp_path / "gallery/people.npz"
    for name in ("p0", "p1"):
        assert ask("enrol", name, *people[name][:2], gallery=path)[0] == 0
    return path


def test_verify_tells_one_speaker_from_two_by_its_exit_code(ask, run, people):
    same, [answer], _ = tell(ask, "verify", *people["p0"][:2])
    assert same == 0 and answer["same_speaker"] and answer["llr"] >= answer["threshold"]
    other, [answer], _ = tell(ask, "verify", people["p0"][0], people["p1"][0])
    assert other == 1 and not answer["same_speaker"] and answer["probability"] < 0.5
    code, out, _ = ask("verify", people["p0"][0], people["p1"][0])
    assert code == 1 and out.startswith("different speakers: log-likelihood ratio -")
    assert ask("verify", people["p0"][0], people["p1"][0], threshold=-1000)[0] == 0


def test_verify_is_the_verifier_of_the_bundle(ask, run, people):
    options = {"pymodule_file": "speaker_verifier.py", "classname": "SpeakerVerifier"}
    verifier = foreign_class(source=str(run / "inference"), **options)
    for pair in (people["p0"][:2], (people["p0"][0], people["p1"][0])):
        _, [answer], _ = tell(ask, "verify", *pair)
        score, probability, same = verifier.verify_files(*pair)
        assert answer["llr"] == pytest.approx(score.item(), abs=1e-3)
        assert answer["probability"] == pytest.approx(probability.item(), abs=1e-4)
        assert answer["same_speaker"] == same.item()


def test_several_recordings_are_one_speakers_enrolment(ask, people, tmp_path):
    folder = tmp_path / "p0, at home"
    folder.mkdir()
    for path in people["p0"][:3]:
        (folder / path.name).symlink_to(path)
    joined = ",".join(map(str, people["p0"][:3]))
    answers = [tell(ask, "verify", side, people["p1"][0])[1][0] for side in (folder, joined)]
    assert answers[0]["llr"] == pytest.approx(answers[1]["llr"], abs=1e-6)
    alone = tell(ask, "verify", people["p0"][0], people["p1"][0])[1][0]
    assert answers[0]["speech"][0] > alone["speech"][0] and answers[0]["llr"] != alone["llr"]


def test_identify_knows_the_enrolled_and_nobody_else(ask, gallery, people):
    paths = [people[name][3] for name in ("p0", "p1", "p2")]
    code, answers, err = tell(ask, "identify", *paths, gallery=gallery)
    assert code == 1 and err == ""
    assert [answer["name"] for answer in answers] == ["p0", "p1", None]
    assert all(answer["probability"] > 0.5 for answer in answers)
    assert ask("identify", *paths[:2], gallery=gallery)[0] == 0
    text = ask("identify", paths[2], gallery=gallery)[1]
    assert "nobody who is enrolled (" in text and "; nearest p" in text


def test_who_is_expected_is_found_sooner(ask, gallery, people):
    found = [
        tell(ask, "identify", people["p2"][3], gallery=gallery, known=known)[1][0]
        for known in (0.999999, 0.5, 0.000001)
    ]
    nobody = [1 - one["probability"] if one["name"] else one["probability"] for one in found]
    assert nobody == sorted(nobody) and nobody[0] < nobody[-1]


def test_a_list_from_standard_input_and_folders(ask, gallery, people, tmp_path):
    (tmp_path / "mine").mkdir()
    for path in people["p1"]:
        (tmp_path / "mine" / path.name).symlink_to(path)
    listed = f"{people['p0'][4]}\n\n{tmp_path / 'mine'}\n"
    code, answers, _ = tell(ask, "identify", "-", gallery=gallery, stdin=io.StringIO(listed))
    assert code == 0 and [answer["name"] for answer in answers] == ["p0", *["p1"] * 5]
    for listed in ("", "\n", f"{tmp_path / 'absent'}\n"):
        code, _, err = ask("identify", "-", gallery=gallery, stdin=io.StringIO(listed))
        assert code == 2 and err.count("\n") == 1
        assert ("no path of a recording" in err) or ("absent: no such recording" in err)


def test_list_add_replace_and_remove(ask, gallery, people):
    code, out, _ = ask("list", gallery=gallery)
    assert code == 0 and out.count("\n") == 2 and "p0: 2 recordings, " in out
    code, _, err = ask("enrol", "p0", people["p0"][2], gallery=gallery)
    assert code == 2 and "p0 is enrolled already: give --add" in err
    _, [before], _ = tell(ask, "list", gallery=gallery)
    _, [added], _ = tell(ask, "enrol", "p0", people["p0"][2], gallery=gallery, add=True)
    assert added["recordings"] == 3 and added["enrolled"] == 2
    assert added["speech"] > before["enrolled"][0]["speech"]
    ask("enrol", "again", *people["p0"][:3], gallery=gallery)
    step_by_step, at_once = (read_gallery(gallery).rows([row]) for row in (0, 2))
    cosine = cosine_similarity(np.vstack([step_by_step.vectors, at_once.vectors]), [0], [1])
    assert cosine > 0.9999 and step_by_step.speech == at_once.speech
    _, [replaced], _ = tell(ask, "enrol", "p0", people["p0"][2], gallery=gallery, replace=True)
    assert replaced["recordings"] == 1
    code, _, err = ask("remove", "p1", "stranger", gallery=gallery)
    assert code == 2 and "not enrolled: stranger" in err
    assert tell(ask, "remove", "p1", "again", gallery=gallery)[1][0]["enrolled"] == 1
    assert ask("remove", "p0", gallery=gallery)[0] == 0
    code, _, err = ask("list", gallery=gallery)
    assert code == 2 and "nobody is enrolled" in err
    code, _, err = ask("identify", people["p0"][0], gallery=gallery)
    assert code == 2 and "nobody is enrolled" in err


def test_two_who_enrol_at_once_lose_nobody(tmp_path):
    path = tmp_path / "people.npz"
    voice = as_voices("x", np.ones((1, 4), np.float32), np.array([16000]), np.ones(1))

    def enrol(number):
        with changed_gallery(path, "a network") as enrolled:
            enrolled[f"n{number}"] = voice

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(enrol, range(40)))
    assert sorted(read_gallery(path, "a network").names) == sorted(f"n{k}" for k in range(40))


def test_the_gallery_of_another_network_is_refused(ask, gallery, people):
    with changed_gallery(gallery.with_name("other.npz"), "0" * 64) as enrolled:
        enrolled.update({"p0": read_gallery(gallery).rows([0])})
    for verb, words in (("identify", people["p0"][:1]), ("enrol", ["p3", people["p3"][0]])):
        code, _, err = ask(verb, *words, gallery=gallery.with_name("other.npz"))
        assert code == 2 and "other.npz: made by another network (000000000000, this one" in err
    assert len(read_gallery(gallery.with_name("other.npz"))) == 1


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "other", "folder", "absent", "nan"])
def test_a_damaged_gallery_is_named(ask, gallery, people, damage):
    content = gallery.read_bytes()
    gallery.unlink()
    if damage == "folder":
        gallery.mkdir()
    elif damage == "other":
        np.savez(gallery, names=np.array(["a"]), vectors=np.ones(3))
    elif damage == "nan":
        arrays = {key: np.ones(1, "f4") for key in ("speech",)}
        ones = {key: np.ones(1, "i8") for key in ("num_frames", "recordings")}
        vectors = np.full((1, 2), np.nan, np.float32)
        np.savez(gallery, names=["a"], network="x", vectors=vectors, **arrays, **ones)
    elif damage != "absent":
        damaged = {"cut": content[: len(content) // 2], "text": b"hello\n" * 99, "empty": b""}
        gallery.write_bytes(damaged[damage])
    for verb, words in (("identify", people["p0"][:1]), ("list", []), ("remove", ["p0"])):
        code, _, err = ask(verb, *words, gallery=gallery)
        assert code == 2 and err.startswith(f"error: {gallery}: ") and err.count("\n") == 1
    if damage not in ("absent",):
        assert ask("enrol", "p3", people["p3"][0], gallery=gallery)[0] == 2


@pytest.mark.parametrize("name", ["", " ", "nobody", "unknown", "a\nb"])
def test_names_that_nobody_has(ask, people, tmp_path, name):
    code, _, err = ask("enrol", name, people["p0"][0], gallery=tmp_path / "g.npz")
    assert code == 2 and "expected the name of somebody" in err
    assert not (tmp_path / "g.npz").exists()


NOISES = {"silence": np.zeros(48_000), "floor": 1e-4 * np.random.default_rng(1).normal(size=48_000)}


@pytest.mark.parametrize("sound", ["silence", "floor", "hum", "pink", "sine"])
def test_what_is_no_speech_is_refused_by_every_verb(ask, gallery, people, tmp_path, sound):
    rng = np.random.default_rng(0)
    signal = NOISES[sound] if sound in NOISES else getattr(not_speech, sound)(rng)
    paths = [tmp_path / f"{sound}{number}.wav" for number in range(2)]
    for path in paths:
        sf.write(path, signal, 16_000, subtype="FLOAT")
    for verb, words, options in (
        ("verify", paths, {}),
        ("verify", [people["p0"][0], paths[0]], {}),
        ("identify", paths[:1], {"gallery": gallery}),
        ("identify", paths[:1], {"gallery": gallery, "timeline": True}),
        ("enrol", ["new", paths[0]], {"gallery": gallery}),
        ("embed", paths, {"out": tmp_path / "x.npz"}),
    ):
        code, out, err = ask(verb, *words, **options)
        assert code == 2 and "speech" in err and out == ""
    assert read_gallery(gallery).names == ["p0", "p1"] and not (tmp_path / "x.npz").exists()
    pcm = (32767 * signal).astype("<i2").tobytes()
    code, answers, _ = tell(ask, "listen", gallery=gallery, stdin=pcm)
    assert code == 0 and len(answers) == 3 and all("name" not in answer for answer in answers)


def test_embeddings_of_three_kinds_of_table(ask, run, small, people, tmp_path):
    paths = [people["p0"][0], people["p1"][0]]
    for kind in ("npz", "csv", "json"):
        code, out, _ = ask("embed", *paths, out=tmp_path / f"x.{kind}")
        assert code == 0 and out == f"{tmp_path / f'x.{kind}'}: 2 recordings\n"
    table = read_embeddings(tmp_path / "x.npz", run)
    assert table.ids == list(map(str, paths))
    lines = (tmp_path / "x.csv").read_text().splitlines()
    assert lines[0].startswith("recording,seconds,speech,level,snr,e0,e1") and len(lines) == 3
    rows = json.loads((tmp_path / "x.json").read_text())["recordings"]
    for row, line, vector in zip(rows, lines[1:], table.vectors, strict=True):
        assert np.allclose(row["embedding"], vector)
        assert np.allclose([float(value) for value in line.split(",")[5:]], vector)
        assert 0 < row["speech"] <= row["seconds"] + 0.04
    code, _, err = ask("embed", *paths, out=tmp_path / "x.txt")
    assert code == 2 and "expected a name that ends in .npz, .csv, .json" in err


def test_bad_recordings_among_good_ones(ask, gallery, people, tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"RIFFnothing")
    paths = [people["p0"][0], tmp_path / "bad.wav", people["p1"][0]]
    code, _, err = ask("embed", *paths, out=tmp_path / "x.npz")
    assert code == 2 and f"error: {tmp_path / 'bad.wav'}: " in err
    assert "1 of 3 cannot be embedded, nothing written; --skip_bad leaves them out" in err
    assert not (tmp_path / "x.npz").exists()
    code, out, err = ask("embed", *paths, out=tmp_path / "x.npz", skip_bad=True)
    assert code == 0 and "2 recordings, 1 skipped" in out and "bad.wav" in err
    code, answers, err = tell(ask, "identify", *paths, gallery=gallery)
    assert code == 2 and [answer["name"] for answer in answers] == ["p0", "p1"]
    assert err.count("error") == 1
    code, out, err = ask("enrol", "new", *paths, gallery=gallery)
    assert code == 2 and "1 of 3 recordings of new cannot be used" in err and out == ""


def test_without_a_threshold_there_is_a_score_and_what_to_do(ask, trained, people, tmp_path):
    code, out, err = ask("verify", *people["p0"][:2], checkpoint=trained)
    assert code == 2 and out.startswith("cosine 0.9")
    assert "no threshold has been fitted to this network; fit one: python" in err
    path = tmp_path / "g.npz"
    assert ask("enrol", "p0", people["p0"][0], gallery=path, checkpoint=trained)[0] == 0
    code, _, err = ask("identify", people["p0"][1], gallery=path, checkpoint=trained)
    assert code == 2 and "nobody can be told apart" in err


def test_wrong_options(ask, gallery, people, tmp_path):
    path = people["p0"][0]
    for words, options, message in (
        (("verify", path), {}, "the following arguments are required: B"),
        (("verify", path, tmp_path / "absent.wav"), {}, "absent.wav: no such recording"),
        (("verify", path, tmp_path), {}, "no recording in this folder"),
        (("identify", path), {"gallery": gallery, "known": 1}, "expected a probability"),
        (("identify", path), {"gallery": gallery, "rttm": "x"}, "give --timeline too"),
        (("verify", path, path), {"checkpoint": tmp_path}, "no trained network here"),
        (("verify", path, path), {"device": "cuda:9"}, "no CUDA device here"),
        (("verify", path, path), {"min_speech": "nan"}, "min_speech is nan"),
        (("guess", path), {}, "invalid choice: 'guess'"),
    ):
        code, out, err = ask(*words, **options)
        assert code == 2 and message in err and "Traceback" not in err and out == ""


@pytest.mark.parametrize("folder", [shared("arabic-speakers")])
def test_it_runs_as_a_command_from_anywhere(run, folder, tmp_path):
    paths = sorted(folder.glob("ar01/*.flac"))[:2]
    command = [sys.executable, RECIPE / "speakers.py", "verify", *paths, "--checkpoint", run]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode in (0, 1) and "log-likelihood ratio" in done.stdout
    assert done.stderr == ""

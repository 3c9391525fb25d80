"""speaker_onnx.py, without torch: the answers of the bundle's verifier, and its refusals."""

import importlib.util
import json
import os
import shutil
import subprocess
import time
import venv

import numpy as np
import pytest
import soundfile
import torch
from scipy.signal import resample_poly
from speechbrain.inference.interfaces import foreign_class

import export
import not_speech
from conftest import ROOT, shared
from local.bundle.export.assembling import PARTS, assemble
from local.bundle.export.resampling import resample
from local.corpora.speech import SpeechDetector
from running import verify

LIMIT = 2e-3  # of log-likelihood ratios, of a recording with an offset too


@pytest.fixture(scope="module")
def run(run, small):
    """A run whose network has a threshold, by PLDA and quality measures."""
    dev = small.corpus / "dev_trials.txt"
    options = ("--calibration_trials", str(dev), "--scoring", "plda", "--quality_measures", "True")
    scores = run.with_name("scores.txt")
    verify(run, [small.shards / "dev"], [dev], scores, *options, "--num_bootstrap", "0")
    return run


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "network"
    export.main(["--checkpoint", str(run), "--out", str(folder)])
    return folder


def load(folder):
    """The one file as a module, and its network."""
    spec = importlib.util.spec_from_file_location("speaker_onnx", folder / "speaker_onnx.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, module.SpeakerNetwork(folder=folder)


def load_torch(run):
    options = {"pymodule_file": "speaker_verifier.py", "classname": "SpeakerVerifier"}
    return foreign_class(source=str(run / "inference"), **options, run_opts={"device": "cpu"})


def outcome(verify_files, *args):
    """An answer as numbers, or what is refused."""
    try:
        return [np.asarray(part).item() for part in verify_files(*args)]
    except (ValueError, FileNotFoundError) as error:
        return str(error)


def same(left, right):
    if isinstance(left, str) or isinstance(right, str):
        return left == right
    return left == pytest.approx(right, rel=LIMIT, abs=LIMIT) and left[2] == right[2]


def test_answers_are_those_of_the_bundle(run, small, exported, tmp_path):
    """Of files of all kinds: other rates, two channels that cancel, long and short ones."""
    _, network = load(exported)
    verifier = load_torch(run)
    names = sorted((small.corpus / "dev").rglob("*.wav"))[:12]
    signals = [soundfile.read(name, dtype="float32")[0] for name in names]
    stereo = np.stack([signals[1], -0.8 * signals[1]], axis=1)
    changed = {
        "a_44099.wav": (resample_poly(signals[0], 441, 160), 44_099),
        "b_8000.flac": (resample_poly(signals[1], 1, 2), 8_000),
        "c_48000.ogg": (resample_poly(signals[2], 3, 1), 48_000),
        "d_stereo.wav": (stereo, 16_000),
        "e_long.wav": (np.tile(np.concatenate(signals), 5)[: 150 * 16_000], 16_000),
        "f_short.wav": (signals[3][:9600], 16_000),
        "g_quiet.wav": (0.01 * signals[4] + 0.1, 16_000),
    }
    for name, (signal, rate) in changed.items():
        options = {"subtype": "FLOAT"} if name.endswith(".wav") else {}
        soundfile.write(tmp_path / name, signal, rate, **options)
    files = [*sorted(tmp_path.iterdir()), *names[5:]]
    for left, right in zip(files, [*files[3:], *files[:3]], strict=True):
        found, expected = (outcome(one.verify_files, left, right) for one in (network, verifier))
        assert same(found, expected), (left.name, right.name, found, expected)
        assert not isinstance(found, str) or "f_short" in found


def test_what_is_no_speech_is_refused_in_the_same_words(run, small, exported, tmp_path):
    _, network = load(exported)
    verifier = load_torch(run)
    rng, good = np.random.default_rng(0), next((small.corpus / "dev").rglob("*.wav"))
    paths = {}
    for make in not_speech.SOUNDS:
        path = paths[make.__name__] = tmp_path / f"{make.__name__}.wav"
        soundfile.write(path, make(rng), 16_000, subtype="FLOAT")
    for name, signal in {"nan": np.full(16_000, np.nan), "huge": np.full(16_000, 99.0)}.items():
        soundfile.write(tmp_path / f"{name}.wav", signal, 16_000, subtype="FLOAT")
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("no audio")
    (tmp_path / "cut.wav").write_bytes(good.read_bytes()[:-4000])
    soundfile.write(tmp_path / "rate.wav", np.zeros(1000), 999)
    for path in [*sorted(tmp_path.glob("*.wav")), tmp_path, tmp_path / "none.wav"]:
        found, expected = (outcome(one.verify_files, good, path) for one in (network, verifier))
        assert isinstance(found, str) and found == expected, (path.name, found, expected)
    for path in paths.values():  # beside itself, too
        assert "speech in 3.0 s" in outcome(network.verify_files, path, path)


def test_the_detector_is_that_of_the_bundle(exported):
    """The same answer about each chunk, of speech, of what is none, and beyond a minute."""
    _, network = load(exported)
    rng = np.random.default_rng(1)
    makes = (not_speech.voice, not_speech.pink, not_speech.voice, not_speech.chords)
    parts = [make(rng) for make in makes]
    signals = [*parts, np.tile(np.concatenate(parts), 6)[:-100]]
    signals = [(signal - signal.mean()).astype(np.float32) for signal in signals]
    expected = SpeechDetector()([torch.from_numpy(signal) for signal in signals])
    for signal, answer in zip(signals, expected, strict=True):
        assert np.array_equal(network.detect(signal), answer.numpy())


@pytest.mark.parametrize("folder", [shared("arabic-speakers"), shared("phone-calls")])
def test_the_detector_on_real_speech(exported, folder):
    _, network = load(exported)
    detector, differing, chunks = SpeechDetector(), 0, 0
    for path in sorted(folder.rglob("*.flac"))[::97][:20]:
        signal = soundfile.read(path, dtype="float32")[0]
        ours, theirs = network.detect(signal), detector([torch.from_numpy(signal)])[0].numpy()
        differing, chunks = differing + (ours != theirs).sum(), chunks + len(ours)
    assert chunks > 700 and differing == 0


@pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 44_100, 44_099, 48_000, 96_001, 16_000])
def test_resampling_is_scipys(rate):
    signal = np.random.default_rng(0).standard_normal(rate // 4 + 3).astype(np.float32)
    expected = resample_poly(signal, 16_000, rate)
    found = resample(signal, 16_000, rate)
    assert found.dtype == expected.dtype and found.shape == expected.shape
    assert np.abs(found - expected).max() < 2e-5


def test_the_one_file_holds_its_parts_as_they_are(exported):
    text = (exported / "speaker_onnx.py").read_text()
    assert text == assemble() and all(path.read_text() in text for path in PARTS)
    compile(text, "speaker_onnx.py", "exec")


def test_damaged_and_missing_files(exported, small, tmp_path, capsys):
    module, _ = load(exported)
    folder = shutil.copytree(exported, tmp_path / "network")
    content = bytearray((folder / "speaker.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "speaker.onnx").write_bytes(content)
    with pytest.raises(ValueError, match="speaker.onnx: damaged; copy the network again"):
        module.SpeakerNetwork(folder=folder)
    (folder / "speaker.onnx").unlink()
    with pytest.raises(FileNotFoundError, match="no such network; export it again"):
        module.SpeakerNetwork(folder=folder)
    assert module.main(["verify", "only_one.wav"]) == 2
    assert capsys.readouterr().err == "error: verify: found 1 recordings, expected two\n"


@pytest.mark.long
def test_an_environment_without_torch(run, exported, small, tmp_path):
    """Of numpy, soundfile and onnxruntime alone, in which the file is also quick to answer."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    wanted = ("numpy==2.4.6", "soundfile==0.14.0", "onnxruntime==1.32.0")
    assert all(line in requirements() for line in wanted)
    subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
    for name in ("torch", "scipy", "speechbrain"):
        assert subprocess.run([python, "-c", f"import {name}"], capture_output=True).returncode
    moved = shutil.copytree(exported, tmp_path / "moved")
    names = sorted((small.corpus / "dev").rglob("*.wav"))
    verifier = load_torch(run)
    codes = set()
    for left, right in ((names[0], names[1]), (names[0], names[-1])):
        done = call(python, moved, "verify", left, right, "--json")
        llr, probability, decision = outcome(verifier.verify_files, left, right)
        answer = json.loads(done.stdout)
        assert answer["score"] == pytest.approx(llr, abs=LIMIT)
        assert answer["probability"] == pytest.approx(probability, abs=LIMIT)
        assert answer["same_speaker"] == decision and done.returncode == int(not decision)
        codes.add(done.returncode)
    began = time.perf_counter()
    done = call(python, moved, "verify", names[0], names[1])
    assert time.perf_counter() - began < 5  # s; idle cores take a fifth of one
    assert "speaker" in done.stdout and "log-likelihood ratio" in done.stdout
    call(python, moved, "embed", names[0], names[1], "--out", tmp_path / "x.npz")
    vectors = np.load(tmp_path / "x.npz")["vectors"]
    expected = verifier.embed_files(names[0], names[1]).numpy()
    np.testing.assert_allclose(vectors, expected, rtol=1e-3, atol=1e-3)
    soundfile.write(tmp_path / "hum.wav", not_speech.hum(np.random.default_rng(0)), 16_000)
    done = call(python, moved, "verify", names[0], tmp_path / "hum.wav")
    assert done.returncode == 2 and done.stderr.startswith(f"error: {tmp_path}/hum.wav: no speech")


def requirements():
    files = ("requirements.txt", "requirements_export.txt")
    return [line for name in files for line in (ROOT / name).read_text().splitlines()]


def call(python, folder, *arguments):
    command = [str(part) for part in (python, folder / "speaker_onnx.py", *arguments)]
    env = {**os.environ, "PYTHONPATH": ""}
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd="/")

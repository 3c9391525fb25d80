"""The inference bundle's own verifier: the scores of the recipe, from files, wherever it lies."""

import json
import re
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch
from scipy.signal import resample_poly
from speechbrain.inference.classifiers import EncoderClassifier
from speechbrain.inference.interfaces import foreign_class
from speechbrain.inference.speaker import SpeakerRecognition

from local.bundle import load_encoder, writing
from local.bundle.writing import write_decision
from local.embeddings import get_embeddings
from local.errors import RecipeError
from local.scoring.backends import Backend
from local.scoring.calibration import fit_calibration
from local.scoring.decisions import quality_measures, to_probability
from local.scoring.fitting import make_backend
from local.scoring.likelihood_ratios import threshold
from local.scoring.trials import read_trials

COSTS = {"p_target": 0.2, "c_miss": 1.0, "c_fa": 2.0}


@pytest.fixture
def bundle(run, tmp_path):
    return shutil.copytree(run / "inference", tmp_path / "moved" / "inference")


@pytest.fixture(scope="module")
def data(run, small):
    """Embeddings of the recipe, and the dev trials as rows."""
    folders = ([small.shards / split] for split in ("train", "dev"))
    train, dev = (get_embeddings(run, folder, device="cpu") for folder in folders)
    training = train.vectors, [key.split("/")[0] for key in train.ids]
    trials = read_trials(small.corpus / "dev_trials.txt")
    enrol, test = (dev.rows(side) for side in trials.pairs())
    return training, trials, dev.vectors, dev.num_frames, enrol, test


def decide(folder, data, scoring="cosine", use_quality=False, **costs):
    """Fit on the dev trials and leave the decision; returns ratios and threshold."""
    training, trials, vectors, frames, enrol, test = data
    if scoring == "as_norm":  # whose cohort of 6 speakers make_backend refuses
        backend = Backend("as_norm", cohort=training[0], top_n=10)
    else:
        backend = make_backend(scoring, training)
    scores = backend.score(vectors, enrol, test)
    quality = quality_measures(vectors, frames, enrol, test) if use_quality else None
    calibration = fit_calibration(scores, trials.labels, quality)
    costs = COSTS | costs
    chosen = threshold(**costs)
    fitted_on = {"trials": ["dev_trials"], "num_target": int((trials.labels == 1).sum())}
    write_decision(folder, backend, calibration, threshold=chosen, fitted_on=fitted_on, **costs)
    return calibration(scores, quality), chosen


def load(folder):
    options = {"pymodule_file": "speaker_verifier.py", "classname": "SpeakerVerifier"}
    return foreign_class(source=str(folder), **options, run_opts={"device": "cpu"})


def load_unlevelled(folder):
    """The verifier of a network whose training data had no level, which hears what is recorded."""
    verifier = load(folder)
    assert -60 < verifier.hparams.speech_level < 0
    verifier.hparams.speech_level = None
    return verifier


def wav(small, name):
    return small.corpus / "dev" / f"{name}.wav"


@pytest.mark.parametrize(
    "scoring, use_quality", [("cosine", True), ("plda", False), ("as_norm", False)]
)
def test_files_get_the_ratio_of_the_recipe(bundle, small, data, scoring, use_quality):
    llrs, chosen = decide(bundle, data, scoring, use_quality)
    # Of audio without an offset it is the very ratio: that of these voices is a few thousandths.
    trials, verifier = data[1], load_unlevelled(bundle)
    for number in range(8):
        files = wav(small, trials.enrol[number]), wav(small, trials.test[number])
        score, probability, same = verifier.verify_files(*files)
        assert score.shape == probability.shape == same.shape == ()
        assert score.item() == pytest.approx(llrs[number], abs=0.05)
        assert probability.item() == pytest.approx(to_probability(llrs[number]), abs=0.01)
        assert same.dtype == torch.bool and same.item() == (llrs[number] >= chosen)


FRESH = """
import sys
from speechbrain.inference.interfaces import foreign_class

verifier = foreign_class(
    source=sys.argv[1], pymodule_file="speaker_verifier.py", classname="SpeakerVerifier"
)
verifier.hparams.speech_level = None
score, probability, same = verifier.verify_files(sys.argv[2], sys.argv[3])
print(score.item(), probability.item(), bool(same))
"""


@pytest.mark.long
def test_a_moved_bundle_needs_nothing_of_the_recipe(bundle, small, data, tmp_path):
    """In a process of its own, beside modules of the same names; where it was made is no more."""
    llrs, chosen = decide(bundle, data)
    hparams = (bundle / "hyperparams.yaml").read_text()
    hparams = re.sub("(?m)^pretrained_path: .*", "pretrained_path: /nowhere", hparams)
    (bundle / "hyperparams.yaml").write_text(hparams)
    for name in ("backends", "decisions", "windows"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('not this one')")
    files = [str(wav(small, side[0])) for side in (data[1].enrol, data[1].test)]
    command = [sys.executable, "-c", FRESH, str(bundle), *files]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    score, probability, same = done.stdout.split()
    assert float(score) == pytest.approx(llrs[0], abs=0.05)
    assert float(probability) == pytest.approx(to_probability(llrs[0]), abs=0.01)
    assert same == str(llrs[0] >= chosen)


def test_batches_with_lengths_are_as_the_files_one_by_one(bundle, small, data):
    decide(bundle, data, use_quality=True)
    verifier = load(bundle)
    signals = [
        torch.from_numpy(soundfile.read(wav(small, name), dtype="float32")[0])
        for name in data[1].enrol[:5]
    ]
    signals[1], signals[2] = signals[1][:20_000], signals[2][:3000]  # one shorter than the least
    batch = torch.nn.utils.rnn.pad_sequence(signals, batch_first=True)
    lengths = torch.tensor([len(signal) / batch.shape[1] for signal in signals])
    first = signals[0].unsqueeze(0)
    options = {"min_speech": 0.05}
    together = verifier.verify_batch(first, batch, None, lengths, **options)
    one_by_one = [verifier.verify_batch(signals[0], signal, **options) for signal in signals]
    for part, parts in zip(together, zip(*one_by_one, strict=True), strict=True):
        assert part.shape == (5,)
        assert torch.allclose(part.double(), torch.cat(parts).double(), atol=1e-5)
    back = verifier.verify_batch(batch, first, lengths, **options)
    assert torch.allclose(back[0], together[0], atol=1e-5)
    assert (together[0] < 1e3).all() and together[2][0]  # a recording against itself
    assert not verifier.verify_batch(first, first, threshold=1e3)[2]


def test_long_recordings_are_embedded_in_windows_as_the_recipe_does(bundle, small, data):
    decide(bundle, data)
    verifier, path = load_unlevelled(bundle), wav(small, data[1].enrol[0])
    signal = torch.from_numpy(soundfile.read(path, dtype="float32")[0])
    hour = signal.repeat(-(-150 * 16_000 // len(signal)))[: 150 * 16_000]
    hour = hour * torch.linspace(0.01, 1, len(hour))  # its two halves differ
    halves = [verifier.encode_batch(half).reshape(-1) for half in hour.split(75 * 16_000)]
    alone = verifier.encode_batch(signal).reshape(-1)
    vectors = torch.stack([alone, (halves[0] + halves[1]) / 2]).numpy()
    cosine = verifier.backend.score(vectors, np.array([0]), np.array([1]))
    score, _, _ = verifier.verify_batch(signal, hour)
    assert score.numpy() == pytest.approx(verifier.calibration(cosine), abs=1e-3)
    whole = torch.stack([alone, verifier.encode_batch(hour).reshape(-1)]).numpy()
    cosine = verifier.backend.score(whole, np.array([0]), np.array([1]))
    assert score.numpy() != pytest.approx(verifier.calibration(cosine), abs=1e-3)


def test_other_rates_channels_and_lengths(bundle, small, data, tmp_path):
    """SpeechBrain resamples and mixes; what is too short is repeated, as the recipe does."""
    decide(bundle, data)
    verifier = load(bundle)
    path, other = wav(small, data[1].enrol[0]), wav(small, data[1].test[0])
    signal, rate = soundfile.read(path)
    assert rate == 16_000
    stereo = np.stack([signal, signal], axis=1)
    soundfile.write(tmp_path / "stereo.wav", stereo, rate)
    up = torch.nn.functional.interpolate(torch.from_numpy(signal)[None, None], scale_factor=2)
    soundfile.write(tmp_path / "fast.wav", up[0, 0].numpy(), 2 * rate)
    soundfile.write(tmp_path / "slow.wav", signal[::2], rate // 2)
    soundfile.write(tmp_path / "slow_stereo.flac", stereo[::2], rate // 2)
    score = {
        path.stem: verifier.verify_files(path, other)[0].item()
        for path in (path, *tmp_path.glob("*.wav"), *tmp_path.glob("*.flac"))
    }
    assert score["stereo"] == pytest.approx(score[path.stem], abs=1e-3)
    assert score["slow_stereo"] == pytest.approx(score["slow"], abs=1e-3)
    assert score["slow"] != score[path.stem]
    for name in ("fast", "slow"):
        assert verifier.load_audio(str(tmp_path / f"{name}.wav")).shape == signal.shape
    short = signal[4000:7200] - signal[4000:7200].mean()
    soundfile.write(tmp_path / "short.wav", short, rate)
    soundfile.write(tmp_path / "repeated.wav", np.resize(short, 8000), rate)
    short, repeated = (
        verifier.verify_files(tmp_path / f"{name}.wav", other, min_speech=0.03)[0].item()
        for name in ("short", "repeated")
    )
    assert short == pytest.approx(repeated, abs=0.5)  # their levels are those of their speech
    with pytest.raises(ValueError, match="empty"):
        verifier.verify_batch(torch.zeros(1, 0), torch.ones(1, 16_000))
    with pytest.raises(ValueError, match="not finite"):
        verifier.verify_batch(torch.full((16_000,), torch.nan), torch.ones(1, 16_000))


@pytest.mark.parametrize("rate", [44_099, 15_999, 7_999, 48_001, 96_001])
def test_rates_without_a_common_divisor_take_little_memory_and_time(
    bundle, small, data, tmp_path, rate
):
    """Where a filter was tabulated for each phase, 2 s of audio took up to 23 GB and 20 s."""
    decide(bundle, data)
    path, name = wav(small, data[1].enrol[0]), str(tmp_path / "odd.wav")
    signal, _ = soundfile.read(path, dtype="float32")
    soundfile.write(name, resample_poly(signal, rate, 16_000), rate)
    for interface in (load(bundle), load_encoder(bundle, "cpu")):
        before = resource.getrusage(resource.RUSAGE_SELF)
        audio = interface.load_audio(name)
        after = resource.getrusage(resource.RUSAGE_SELF)
        assert after.ru_maxrss - before.ru_maxrss < 300_000  # kB
        assert after.ru_utime - before.ru_utime < 3  # s
        assert abs(len(audio) - len(signal)) <= 2
        assert np.corrcoef(audio[:20_000], signal[:20_000])[0, 1] > 0.9


@pytest.mark.parametrize("rate", [1, 999, 999_983, 2_000_000])
def test_rates_that_no_speech_has_are_refused(bundle, data, tmp_path, rate):
    decide(bundle, data)
    soundfile.write(tmp_path / "odd.wav", np.zeros(1000), rate)
    with pytest.raises(ValueError, match=f"a sampling rate of {rate} Hz, expected 1000 to"):
        load(bundle).load_audio(str(tmp_path / "odd.wav"))


@pytest.mark.parametrize("change", [1e-3, 0.1, 2.0, -1.0, "offset", "large offset"])
def test_neither_level_nor_offset_make_another_person(bundle, small, data, tmp_path, change):
    """The prototype hears both: a recording and the same 20 dB quieter were two people."""
    decide(bundle, data)
    verifier, path = load(bundle), wav(small, data[1].enrol[0])
    signal = soundfile.read(path, dtype="float32")[0]
    offset = {"offset": 0.2, "large offset": -3.0}.get(change)
    changed = signal + offset if offset else signal * change
    soundfile.write(tmp_path / "changed.wav", changed, 16_000, subtype="FLOAT")
    vectors = verifier.embed_files(path, tmp_path / "changed.wav")
    if change != -1:
        assert torch.allclose(*vectors, rtol=1e-2, atol=1e-2)
    assert torch.cosine_similarity(*vectors, dim=0) > 0.999
    other = wav(small, data[1].test[0])
    scores = [verifier.verify_files(one, other)[0] for one in (path, tmp_path / "changed.wav")]
    assert scores[0].item() == pytest.approx(scores[1].item(), abs=0.05)


TIME = np.arange(48_000) / 16_000
NOISE = np.random.default_rng(0).standard_normal(48_000)
NO_SPEECH = {
    "digital silence": 0 * TIME,
    "constant offset": 0 * TIME + 0.2,
    "noise floor": np.rint(NOISE) / 32768,
    "hiss": 0.1 * np.diff(NOISE, append=0),
    "rumble": 0.002 * np.cumsum(NOISE),
    "hum": 0.3 * np.sin(2 * np.pi * 50 * TIME) + 0.1 * np.sin(2 * np.pi * 150 * TIME),
    "buzz": 0.1 * np.sign(np.sin(2 * np.pi * 120 * TIME)),
    "clicks": 0.9 * (np.arange(48_000) % 4000 < 5),
    "one click": 0.9 * (np.arange(48_000) == 20_000),
    "dial tone": 0.2 * (np.sin(2 * np.pi * 350 * TIME) + np.sin(2 * np.pi * 440 * TIME)),
    "melody": 0.3
    * np.sin(2 * np.pi * np.repeat([262, 294, 330, 349, 392, 440], 8000) * TIME)
    * np.exp(-5 * (TIME % 0.5)),
    "one sample": np.array([0.5]),
    "10 ms": NOISE[:160] / 10,
}


@pytest.mark.parametrize("kind", NO_SPEECH)
def test_what_nobody_speaks_in_is_no_person(bundle, small, data, tmp_path, kind):
    """Two silent files were the same speaker, with a probability of 0.99."""
    decide(bundle, data)
    verifier, path = load(bundle), wav(small, data[1].enrol[0])
    soundfile.write(tmp_path / "nobody.wav", NO_SPEECH[kind], 16_000, subtype="FLOAT")
    for files in ((path, tmp_path / "nobody.wav"), (tmp_path / "nobody.wav",) * 2):
        with pytest.raises(
            ValueError, match="nobody.wav: no speech in .* s of audio; give another"
        ):
            verifier.verify_files(*files, min_speech=0)
    signal = torch.from_numpy(NO_SPEECH[kind]).float()
    with pytest.raises(ValueError, match=r"wavs2\[0\]: no speech in"):
        verifier.verify_batch(torch.from_numpy(soundfile.read(path, dtype="float32")[0]), signal)


@pytest.mark.parametrize("invert", [1.0, 0.999])
def test_antiphase_stereo_of_two_people_is_two_people(bundle, small, data, tmp_path, invert):
    """Their channels cancelled to digital silence, in which both were one person."""
    decide(bundle, data)
    verifier, names = load(bundle), [data[1].enrol[0], data[1].test[0]]
    for name, utterance in zip("xy", names, strict=True):
        signal = soundfile.read(wav(small, utterance))[0]
        stereo = np.stack([signal, -invert * signal], axis=1)
        soundfile.write(tmp_path / f"{name}.wav", stereo, 16_000)
    score, *_ = verifier.verify_files(tmp_path / "x.wav", tmp_path / "y.wav")
    expected, *_ = verifier.verify_files(*(wav(small, name) for name in names))
    assert score.item() == pytest.approx(expected.item(), abs=1e-3)


@pytest.mark.parametrize("seconds, speech", [(1.0, "0.[789]|1.0"), (0.3, "0.[123]")])
def test_less_speech_than_asked_for_is_said(bundle, small, data, tmp_path, seconds, speech):
    """In a noise as long as you like."""
    decide(bundle, data)
    verifier, path = load(bundle), wav(small, data[1].enrol[0])
    signal = soundfile.read(path)[0][8000 : 8000 + round(16_000 * seconds)]
    long = 1e-4 * np.resize(NOISE, 5 * 60 * 16_000)
    long[-len(signal) - 64_000 : -64_000] += signal
    soundfile.write(tmp_path / "little.wav", long, 16_000, subtype="FLOAT")
    message = rf"little.wav: ({speech}) s of speech in 300.0 s of audio, expected 1.5 s at least"
    with pytest.raises(ValueError, match=message):
        verifier.verify_files(path, tmp_path / "little.wav", min_speech=1.5)
    assert verifier.verify_files(path, tmp_path / "little.wav", min_speech=0.05)[0].isfinite()


@pytest.mark.parametrize("min_speech", [-0.5, float("nan"), float("inf"), float("-inf")])
def test_a_minimum_of_speech_that_is_none(bundle, small, data, min_speech):
    """NaN would let everything pass."""
    decide(bundle, data)
    files = [wav(small, data[1].enrol[0])] * 2
    with pytest.raises(ValueError, match="min_speech is .*: expected seconds, 0 or more"):
        load(bundle).verify_files(*files, min_speech=min_speech)


def test_without_decision_the_error_tells_the_command(bundle):
    with pytest.raises(FileNotFoundError, match="has no threshold yet.*--calibration_trials") as e:
        load(bundle)
    assert "\n" not in str(e.value)


class Renamed(SpeakerRecognition):
    """Decides at 0.25 too."""


class OwnThreshold(SpeakerRecognition):
    """Of someone who knows what they do."""

    def verify_batch(self, wavs1, wavs2):
        return super().verify_batch(wavs1, wavs2, threshold=0.97)


@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize("interface", [SpeakerRecognition, Renamed])
def test_nobody_decides_at_speechbrains_threshold(bundle, data, fitted, interface):
    """Different people have cosines of 0.9, and SpeechBrain accepts from 0.25 on."""
    if fitted:
        decide(bundle, data)
    options = {"source": str(bundle), "overrides": {"pretrained_path": str(bundle)}}
    with pytest.raises(RuntimeError, match="decides at a cosine of 0.25") as e:
        interface.from_hparams(**options)
    assert interface.__name__ in str(e.value) and "SpeakerVerifier" in str(e.value)
    with pytest.raises(RuntimeError, match="decides at a cosine of 0.25"):
        interface.from_hparams(**options, savedir=bundle.parent / "saved")
    assert "SpeakerRecognition.from" not in (bundle / "hyperparams.yaml").read_text()
    for other in (EncoderClassifier, OwnThreshold):
        assert other.from_hparams(**options).encode_batch(torch.ones(16_000)).shape == (1, 1, 128)


def test_a_decision_can_be_read(bundle, data):
    _, chosen = decide(bundle, data)
    decision = json.loads((bundle / "decision.json").read_text())
    assert decision["scoring"] == "cosine" and decision["threshold"] == chosen
    assert decision["decision"] == COSTS
    assert decision["fitted_on"]["trials"] == ["dev_trials"]
    assert (bundle / decision["backend"]).is_file()


def test_a_new_decision_replaces_the_old_one_and_the_same_touches_nothing(bundle, data):
    decide(bundle, data, "cosine")
    decide(bundle, data, "plda")
    assert len(list(bundle.glob("backend-*.npz"))) == 1
    assert load(bundle).backend.name == "plda"
    times = {path: path.stat().st_mtime_ns for path in (bundle, *bundle.iterdir())}
    decide(bundle, data, "plda")
    assert {path: path.stat().st_mtime_ns for path in (bundle, *bundle.iterdir())} == times
    _, chosen = decide(bundle, data, "plda", p_target=0.01)
    assert load(bundle).threshold == chosen > 4


@pytest.mark.parametrize("last", ["backend-", "decision.json"])
def test_killed_between_the_old_decision_is_whole(bundle, data, monkeypatch, last):
    """Killed before this file is written: never the backend of one fit with another's threshold."""
    _, chosen = decide(bundle, data, "plda", p_target=0.3)
    write = writing._write_if_new

    def dies(path, content):
        if path.name.startswith(last):
            raise KeyboardInterrupt
        write(path, content)

    monkeypatch.setattr(writing, "_write_if_new", dies)
    with pytest.raises(KeyboardInterrupt):
        decide(bundle, data, "cosine")
    monkeypatch.undo()
    verifier = load(bundle)
    assert verifier.backend.name == "plda" and verifier.threshold == chosen
    decide(bundle, data, "cosine")
    assert len(list(bundle.glob("backend-*.npz"))) == 1


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", "{}", '{"backend": 1, "threshold": 0, "calibration": {}}', "\x00"],
)
def test_a_damaged_decision(bundle, data, content):
    decide(bundle, data)
    (bundle / "decision.json").write_text(content)
    with pytest.raises(ValueError, match="decision.json: damaged") as e:
        load(bundle)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("key", ["threshold", "calibration"])
def test_a_decision_without_numbers(bundle, small, data, key):
    decide(bundle, data)
    path = bundle / "decision.json"
    decision = json.loads(path.read_text())
    decision[key] = float("nan") if key == "threshold" else {"weights": [0.0], "offset": np.inf}
    path.write_text(json.dumps(decision))
    with pytest.raises(ValueError, match="damaged"):
        load(bundle).verify_files(*[wav(small, data[1].enrol[0])] * 2)


def test_a_damaged_backend(bundle, data):
    decide(bundle, data, "plda")
    (path,) = bundle.glob("backend-*.npz")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match="damaged"):
        load(bundle)


def test_bundles_of_an_earlier_version_get_the_code(bundle, small, data):
    for path in writing.VERIFIER:
        (bundle / path.name).unlink()
    decide(bundle, data)
    hparams = bundle / "hyperparams.yaml"
    new = ("__decisions", "audio_normalizer", "speech_level")
    lines = [line for line in hparams.read_text().splitlines() if not line.startswith(new)]
    hparams.write_text("\n".join(lines))
    files = [wav(small, side[0]) for side in (data[1].enrol, data[1].test)]
    assert load(bundle).verify_files(*files)[0].isfinite()
    with pytest.raises(RecipeError, match="not the inference folder of a run"):
        decide(bundle.parent, data)


def test_training_leaves_the_verifier_and_nothing_old(run, small):
    """SpeechBrain's EncoderClassifier loads the bundle too (tests/test_verification.py)."""
    names = {path.name for path in (run / "inference").iterdir()}
    assert {path.name for path in writing.VERIFIER} < names
    assert not any(name.startswith(("decision.json", "backend-")) for name in names)

"""Artificial voices sound as asked, and their corpus is the same for the same seed."""

import csv
import filecmp
import itertools

import numpy as np
import pytest
import soundfile as sf
import torch
from scipy.linalg import solve_toeplitz
from sklearn.metrics import roc_curve
from speechbrain.lobes.features import MFCC

from local.corpora import artificial_voices, synthetic
from local.corpora.artificial_voices import draw_voice, record, speak
from local.corpora.formant_synthesis import FRAME, glottal_source, hiss, resonate
from local.corpora.synthetic import prepare_synthetic
from local.errors import RecipeError
from local.scoring.trials import read_trials

SIZE = {"num_train_speakers": 6, "num_dev_speakers": 4, "utterances_per_speaker": 4}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("synthetic") / "corpus"
    prepare_synthetic(path, **SIZE)
    return path


def pitch(signal):
    """Median F0 in Hz by autocorrelation of frames of 50 ms, without those of low energy."""
    frames = np.lib.stride_tricks.sliding_window_view(signal, 800)[::400]
    frames = frames[frames.std(axis=1) > signal.std()]
    spectra = np.abs(np.fft.rfft(frames * np.hanning(800), 2048)) ** 2
    correlation = np.fft.irfft(spectra)[:, : 16000 // 60]
    correlation[:, : 16000 // 400] = 0
    return float(np.median(16000 / correlation.argmax(axis=1)))


@pytest.mark.parametrize("f0", [90, 130, 220, 290])
def test_source_has_the_pitch_asked_for(f0):
    rng = np.random.default_rng(0)
    source, opening = glottal_source(np.full(16000, float(f0)), rng=rng)
    assert pitch(source) == pytest.approx(f0, rel=0.03)
    assert opening.min() > -0.01 and 0.9 < opening.max() < 1.3


@pytest.mark.parametrize("gender", ["f", "m"])
def test_a_voice_has_the_pitch_asked_for(gender):
    rng = np.random.default_rng(5)
    voice = draw_voice(rng, gender)
    voice.f0_range = 0.5
    assert pitch(speak(voice, rng, 4)) == pytest.approx(voice.f0, rel=0.06)


def test_resonators_peak_at_their_formants_with_their_bandwidths():
    formants, bandwidths = np.array([500.0, 1500.0, 2500.0, 3500.0]), np.array([60, 80, 100, 120])
    impulse = np.zeros(100 * FRAME)
    impulse[0] = 1
    response = resonate(impulse, np.tile(formants, (100, 1)), bandwidths)
    power = np.abs(np.fft.rfft(response, 16000)) ** 2  # a bin a Hz
    assert power[0] == pytest.approx(1, abs=1e-6)
    for formant, bandwidth in zip(formants.astype(int), bandwidths, strict=True):
        near = slice(formant - 200, formant + 200)
        assert power[near].argmax() - 200 == pytest.approx(0, abs=10)
        assert (power[near] > power[near].max() / 2).sum() == pytest.approx(bandwidth, rel=0.1)


def test_resonators_follow_moving_formants():
    frames = 200
    track = np.linspace(600, 2400, frames)[:, None]
    noise = np.random.default_rng(0).standard_normal(frames * FRAME)
    output = resonate(noise, track, 50)
    for part, formant in ((output[:4000], 825), (output[-4000:], 2175)):
        spectrum = np.abs(np.fft.rfft(part)) ** 2
        centre = (spectrum * np.fft.rfftfreq(4000, 1 / 16000)).sum() / spectrum.sum()
        assert centre == pytest.approx(formant, rel=0.15)


def test_hiss_lies_where_asked():
    noise = hiss(8000, rng=np.random.default_rng(0), centre=4500, bandwidth=1000)
    spectrum = np.abs(np.fft.rfft(noise)) ** 2
    centre = (spectrum * np.fft.rfftfreq(8000, 1 / 16000)).sum() / spectrum.sum()
    assert centre == pytest.approx(4500, rel=0.15)


def test_sexes_differ_in_pitch_and_formants():
    voices = {g: [draw_voice(np.random.default_rng(i), g) for i in range(200)] for g in "fm"}
    f0 = {g: np.mean([voice.f0 for voice in voices[g]]) for g in "fm"}
    tract = {g: np.mean([voice.formant_scale.mean() for voice in voices[g]]) for g in "fm"}
    assert 200 < f0["f"] < 225 and 115 < f0["m"] < 130
    assert tract["f"] / tract["m"] == pytest.approx(1.16, abs=0.02)


@pytest.mark.parametrize("scale", [1.0, 1.2])
def test_a_voice_has_the_formants_asked_for(monkeypatch, scale):
    monkeypatch.setattr(artificial_voices, "VOWELS", np.array([(600, 1500, 2500)]))
    rng = np.random.default_rng(3)
    voice = draw_voice(rng, "m")
    voice.formant_scale, voice.tilt, voice.bandwidth_scale = np.full(6, scale), 0.0, 1.0
    signal = np.diff(speak(voice, rng, 4))
    # Linear prediction by autocorrelation: its sharp poles are the formants.
    correlation = np.fft.irfft(np.abs(np.fft.rfft(signal, 2 * len(signal))) ** 2)[:23]
    weights = solve_toeplitz(correlation[:-1], -correlation[1:])
    poles = np.roots([1, *weights])
    poles = poles[(poles.imag > 0) & (np.abs(poles) > 0.93)]
    found = np.sort(np.angle(poles)) * 16000 / (2 * np.pi)
    for formant in (600, 1500, 2500):
        assert np.abs(found - formant * scale).min() < 0.04 * formant * scale


def test_any_voice_stays_in_range():
    for number in range(40):
        rng = np.random.default_rng(number)
        signal = record(speak(draw_voice(rng, "fm"[number % 2]), rng, 2), rng)
        assert signal.shape == (32000,)
        assert np.isfinite(signal).all() and np.abs(signal).max() < 1
        assert -31 < 20 * np.log10(signal.std()) < -21


def test_corpus_has_the_layout(corpus):
    with open(corpus / "tiny_meta.csv", encoding="utf-8") as fin:
        rows = list(csv.DictReader(fin))
    assert [row["gender"] for row in rows] == list("fmfmfmfmfm")
    assert [row["idx"] for row in rows] == [*"012345", "", "", "", ""]
    train, dev = ([row["id"] for row in rows if row["set"] == name] for name in ("train", "dev"))
    for split, speakers, session, count in (
        ("train", train, "train", 2),
        ("val", train, "held-out", 2),
        ("dev", dev, "dev", 4),
    ):
        assert sorted(path.name for path in (corpus / split).iterdir()) == speakers
        for speaker in speakers:
            assert len(list((corpus / split / speaker / session).glob("*.wav"))) == count
    for path in corpus.rglob("*.wav"):
        info = sf.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
        assert 2 <= info.duration <= 4


def test_trials_are_balanced_and_same_sex(corpus):
    for split in ("val", "dev"):
        trials = read_trials(corpus / f"{split}_trials.txt")
        assert trials.labels.sum() * 2 == len(trials) > 0
        for first, second in zip(trials.enrol, trials.test, strict=True):
            assert (corpus / split / f"{first}.wav").is_file()
            assert int(first[3:7]) % 2 == int(second[3:7]) % 2


def test_equal_seeds_give_equal_bytes(corpus, tmp_path):
    prepare_synthetic(tmp_path / "same", **SIZE)
    names = [str(p.relative_to(corpus)) for p in corpus.rglob("*") if p.is_file()]
    assert filecmp.cmpfiles(corpus, tmp_path / "same", names, shallow=False)[0] == names
    prepare_synthetic(tmp_path / "other", seed=7, **SIZE)
    assert not any(
        filecmp.cmp(corpus / name, tmp_path / "other" / name, shallow=False)
        for name in names
        if name.endswith(".wav")
    )


def test_a_speaker_does_not_depend_on_the_size_of_the_corpus(corpus, tmp_path):
    prepare_synthetic(tmp_path / "c", **{**SIZE, "num_dev_speakers": 6})
    first = "train/syn0003/train/00002.wav"
    assert filecmp.cmp(corpus / first, tmp_path / "c" / first, shallow=False)


def test_a_corpus_that_exists_is_kept_and_skip_prep_does_nothing(tmp_path):
    (tmp_path / "there").mkdir()
    prepare_synthetic(tmp_path / "there")
    prepare_synthetic(tmp_path / "absent", skip_prep=True)
    assert not list((tmp_path / "there").iterdir()) and not (tmp_path / "absent").exists()


def test_an_interrupted_preparation_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(synthetic, "record", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare_synthetic(tmp_path / "corpus", **SIZE)
    assert not list(tmp_path.iterdir())


def test_too_small_a_corpus_is_refused(tmp_path):
    for key, value in (("num_train_speakers", 3), ("num_dev_speakers", 2)):
        with pytest.raises(RecipeError, match="at least 4, 4 and 3"):
            prepare_synthetic(tmp_path / "corpus", **{**SIZE, key: value})
    assert not list(tmp_path.iterdir())


def test_speakers_can_be_told_apart_but_not_trivially():
    """Mean MFCCs, centred, with cosine scores: an EER far below 50 %, and above 0."""
    names = list(itertools.product(range(8), range(6)))
    signals = []
    for speaker, number in names:
        voice = draw_voice(np.random.default_rng(speaker), "fm"[speaker % 2])
        rng = np.random.default_rng([speaker, number])
        signals.append(record(speak(voice, rng, 3), rng))
    features = MFCC(n_mfcc=40, n_mels=80, deltas=False, context=False)
    means = features(torch.from_numpy(np.stack(signals)).float()).mean(dim=1)[:, 1:]
    vectors = torch.nn.functional.normalize(means - means.mean(dim=0)).numpy()
    trials = [
        (a[0] == b[0], vectors[i] @ vectors[j])
        for (i, a), (j, b) in itertools.combinations(enumerate(names), 2)
        if a[0] % 2 == b[0] % 2
    ]
    false, true, _ = roc_curve(*zip(*trials, strict=True))
    assert 0.02 < false[np.argmin(np.abs(1 - true - false))] < 0.3

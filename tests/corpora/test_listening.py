"""Recordings without speech are told of, whatever sounds in them; none that holds any."""

import sys
import threading
import time

import numpy as np
import pytest
import soundfile as sf
import torch

import not_speech
from conftest import SHARED_DATA
from local.corpora.folder import prepare_folder
from local.corpora.listening import AHEAD, BATCH, Listener
from local.corpora.quality import SECOND, Faults, Level, loudest
from local.corpora.speech import SpeechDetector
from local.corpora.synthetic import prepare_synthetic
from local.errors import RecipeError


def tell(recordings, folder):
    """What is told of recordings {name: signal}, all of them of the speaker before the "-"."""
    faults = Faults()
    with Listener() as listener:
        for name, signal in recordings.items():
            level = Level()
            for block in np.array_split(signal.astype(np.float32), 3):
                level.add(block)
            sf.write(folder / f"{name}.wav", signal, 16000)
            listener.add(name, name.split("-")[0], level.second, folder / f"{name}.wav")
        warnings = list(listener.tell(faults))
    return faults.files.get("hold no speech", []), warnings


@pytest.mark.parametrize("sound", not_speech.SOUNDS)
def test_what_is_no_speech_is_found(tmp_path, sound):
    rng = np.random.default_rng(0)
    recordings = {"ann-0": not_speech.voice(rng), "ann-1": sound(rng), "bob-0": sound(rng)}
    mute, warnings = tell(recordings, tmp_path)
    assert mute == ["ann-1", "bob-0"]
    assert warnings == [
        "warning: 1 of 2 speakers have no recording with speech, first bob: leave them out"
    ]


@pytest.mark.parametrize("sound", [not_speech.white, not_speech.sine, not_speech.clicks])
def test_a_word_between_louder_noises_is_heard(tmp_path, sound):
    rng = np.random.default_rng(1)
    noise = 0.9 * sound(rng) / np.abs(sound(rng)).max()
    mute, warnings = tell(
        {"ann-0": np.concatenate([noise, not_speech.voice(rng), noise])}, tmp_path
    )
    assert (mute, warnings) == ([], [])


def test_nobody_knows_the_speakers_of_the_evaluation(tmp_path):
    mute, warnings = tell({"-0": not_speech.white(np.random.default_rng(0))}, tmp_path)
    assert (mute, warnings) == (["-0"], [])


def test_artificial_voices_are_speech_to_it(tmp_path):
    prepare_synthetic(tmp_path / "corpus", num_train_speakers=4, num_dev_speakers=4)
    paths = sorted((tmp_path / "corpus").rglob("*.wav"))
    recordings = {f"{path.parts[-3]}-{path.stem}": sf.read(path)[0] for path in paths}
    assert tell(recordings, tmp_path) == ([], [])


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="real speech is not here")
def test_real_speech_is_speech(tmp_path):
    paths = sorted(SHARED_DATA.glob("tiny-librispeech/dev/**/*.flac"))[::2]
    recordings = {f"{path.parts[-3]}-{path.stem}": sf.read(path)[0] for path in paths}
    assert tell(recordings, tmp_path) == ([], [])


@pytest.mark.parametrize("count", [1, BATCH, 400])
def test_without_the_detector_a_line_says_so(tmp_path, monkeypatch, count):
    monkeypatch.setitem(sys.modules, "silero_vad", None)
    noise = not_speech.white(np.random.default_rng(0))[:1600]
    mute, warnings = tell({f"ann-{number}": noise for number in range(count)}, tmp_path)
    assert mute == [] and len(warnings) == 1
    assert "not looked for: the package silero-vad" in warnings[0]


def test_an_error_ends_the_thread_at_once(monkeypatch):
    heard = []

    def listen(self, batch, last):
        heard.append(len(batch))
        time.sleep(0.2)

    monkeypatch.setattr(Listener, "_listen", listen)
    before = threading.active_count()
    with pytest.raises(RecipeError, match="other"), Listener() as listener:
        for number in range(AHEAD * BATCH):
            listener.add(number, "ann", np.zeros(1600), "")
        raise RecipeError("other")
    assert threading.active_count() == before and len(heard) < AHEAD


def test_the_loudest_second_of_blocks_is_that_of_the_whole():
    signal = 0.01 * np.random.default_rng(0).standard_normal(5 * 20480).astype(np.float32) + 0.3
    signal[40960:57344] += 0.1 * np.sin(np.arange(16384)).astype(np.float32)
    level = Level()
    for block in np.split(signal, 5):
        level.add(block)
    assert np.array_equal(loudest(signal, SECOND)[0], signal[40960:57344])
    assert np.array_equal(level.second, signal[40960:57344])


def test_a_folder_of_speakers_is_listened_to(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for speaker in range(5):
        for number in range(4):
            path = tmp_path / f"data/s{speaker}/v{number}/0.flac"
            path.parent.mkdir(parents=True)
            made = not_speech.chords if speaker == 4 or number == speaker == 3 else not_speech.voice
            sf.write(path, made(rng), 16000)
    prepare_folder(tmp_path / "data", tmp_path / "corpus")
    err = capsys.readouterr().err
    assert f"warning: 5 of 20 files hold no speech, first {tmp_path}/data/s3/v3/0.flac, " in err
    assert "warning: 1 of 5 speakers have no recording with speech, first s4: leave them" in err
    assert len(list((tmp_path / "corpus").rglob("*.wav"))) == 20  # none is left out


def test_the_detector_works_in_one_thread_and_leaves_the_others():
    detector, seen, before = SpeechDetector(), [], torch.get_num_threads()
    model = detector.model

    def watched(*arguments):
        seen.append(torch.get_num_threads())
        return model(*arguments)

    watched.reset_states = model.reset_states
    detector.model = watched
    torch.set_num_threads(2)
    try:
        detector([torch.zeros(2000)])
        assert set(seen) == {1} and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)

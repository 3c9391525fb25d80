"""Who speaks when: windows, the most probable course, segments."""

import itertools
import json

import numpy as np
import pytest

from local.layout import SAMPLE_RATE
from local.people.comparing import posteriors
from local.people.timeline import (
    CHUNK,
    HOP,
    PIECE,
    UNKNOWN,
    Heard,
    hear,
    most_probable_course,
    timeline,
)
from local.people.timeline_picture import write_timeline_picture
from local.people.voices import Voices


class LoudIsSpeech:
    """Stands for a bundle's encoder: what is not silent is speech, an embedding is the mean."""

    speech = type("Speech", (), {"speech_level": staticmethod(lambda signal, answer: 0.0)})

    def detector(self, signals):
        return [(signal.view(-1, CHUNK).abs().amax(dim=1) > 0.05) for signal in signals]

    def levelled(self, signal, level):
        return signal

    def embed_windows(self, windows):
        assert windows.shape[1] == 2 * HOP * CHUNK and len(windows) <= 16
        return windows.abs().mean(dim=1, keepdim=True)


@pytest.mark.parametrize("seconds", [0.3, 1.0, 5.0, 61.44, 61.5, 150.0])
@pytest.mark.parametrize("block", [0.01, 7.0, 400.0])
def test_all_of_a_recording_is_heard_once_whatever_its_blocks(seconds, block):
    signal = np.sin(np.arange(round(seconds * SAMPLE_RATE))).astype(np.float32)
    size = round(block * SAMPLE_RATE)
    blocks = [signal[place : place + size] for place in range(0, len(signal), size)]
    heard = hear(LoudIsSpeech(), blocks)
    assert len(heard.speech) % HOP == 0 and heard.speech.sum() * CHUNK >= len(signal)
    assert (heard.speech.sum() - 1) * CHUNK < len(signal)
    expected = np.arange(len(heard.speech) // HOP) if seconds > 0.6 else heard.hops
    assert np.isin(heard.hops, expected).all() and len(heard.voices) == len(heard.hops)
    assert set(expected[:-1]) <= set(heard.hops.tolist())


def test_silence_has_no_voices():
    heard = hear(LoudIsSpeech(), [np.zeros(10 * SAMPLE_RATE, np.float32)])
    assert not heard.speech.any() and len(heard.voices) == 0
    assert timeline(heard, np.zeros((0, 2)), ["a", "b"], 0.5) == []


@pytest.mark.parametrize("seed", range(20))
def test_the_most_probable_course_is_that_of_all_courses(seed):
    rng = np.random.default_rng(seed)
    steps, states = rng.integers(1, 6), rng.integers(1, 4)
    evidence, prior = rng.normal(size=(steps, states)), np.log(rng.dirichlet(np.ones(states)))
    stays, enters = np.log(0.7), np.log(0.3) + np.log(rng.dirichlet(np.ones(states)))

    def probability(course):
        total = prior[course[0]] + evidence[0, course[0]]
        for step, (before, now) in enumerate(itertools.pairwise(course), start=1):
            moved = enters[now]
            total += max(moved, stays) if before == now else moved
            total += evidence[step, now]
        return total

    best = max(itertools.product(range(states), repeat=int(steps)), key=probability)
    found = most_probable_course(evidence, prior, stays, enters)
    assert probability(tuple(found)) == pytest.approx(probability(best))


def heard_of(speech):
    """What is heard where each hop has a voice."""
    hops = np.arange(len(speech) // HOP)
    ones = np.ones(len(hops), np.int64)
    return Heard(speech, hops, Voices([""] * len(hops), np.ones((len(hops), 1)), ones, ones, ones))


def test_segments_are_of_one_person_and_end_with_the_speech():
    speech = np.ones(40 * HOP, bool)
    speech[10 * HOP : 12 * HOP] = False
    llrs = np.full((40, 2), -8.0)
    llrs[:12, 0] = llrs[12:25, 1] = 8.0  # one, the other, and somebody else
    segments = timeline(heard_of(speech), llrs, ["ann", "bob"], 0.5)
    assert [part.name for part in segments] == ["ann", "bob", UNKNOWN]
    hop = HOP * CHUNK / SAMPLE_RATE
    bounds = [(part.start / hop, part.end / hop) for part in segments]
    assert np.allclose(bounds, [(0, 10), (12, 25), (25, 40)], atol=0.02)
    assert all(part.probability > 0.99 for part in segments)


def test_one_doubtful_window_does_not_change_the_speaker():
    llrs = np.full((20, 2), -6.0)
    llrs[:, 0], llrs[9] = 6.0, (-0.5, 0.5)
    (segment,) = timeline(heard_of(np.ones(20 * HOP, bool)), llrs, ["ann", "bob"], 0.5)
    assert segment.name == "ann"


@pytest.mark.parametrize("known", [1e-9, 0.5, 1 - 1e-9])
def test_posteriors_are_probabilities(known):
    llrs = np.random.default_rng(0).normal(scale=1000, size=(50, 7))
    found = posteriors(llrs, known)
    assert found.shape == (50, 8) and np.allclose(found.sum(axis=1), 1) and (found >= 0).all()
    assert posteriors(np.zeros((1, 4)), known)[0, -1] == pytest.approx(1 - known)


def test_the_picture_is_there(tmp_path):
    speech = np.ones(PIECE, bool)
    segments = timeline(heard_of(speech), np.ones((PIECE // HOP, 1)), ["ann"], 0.5)
    write_timeline_picture(tmp_path / "x.png", segments, "a/call.wav", 61.0)
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    assert json.dumps([part._asdict() for part in segments])

"""Who of the enrolled speaks when in a long recording, heard in overlapping windows."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from local.files import atomic_file
from local.layout import SAMPLE_RATE
from local.people.comparing import posteriors
from local.people.voices import Voices

CHUNK = 512  # audio samples about which the detector of speech decides
HOP, WINDOW = 24, 48  # chunks: one answer every 0.77 s, from 1.54 s around it
PIECE = 80 * HOP  # chunks that are in memory at once: a minute
ENOUGH = 16  # chunks of speech, 0.5 s, from which a window tells who speaks
STAYS = 0.9  # probability that the next window has the speaker of this one
AT_ONCE = 16  # windows that are embedded together
GAP = 16  # chunks, 0.5 s, of silence that do not end what somebody says
SHORTEST = 4  # chunks: less is said by nobody
UNKNOWN = "unknown"


class Segment(NamedTuple):
    """A stretch of speech of one person, in seconds, and how probable it is that it is theirs."""

    start: float
    end: float
    name: str
    probability: float


class Heard(NamedTuple):
    """What was heard of a recording.

    `speech` tells of each chunk whether somebody speaks, `hops` which of the answers, one for
    `HOP` chunks, there is enough speech for, and `voices` has a row for each of these.
    """

    speech: np.ndarray
    hops: np.ndarray
    voices: Voices

    @property
    def seconds(self) -> float:
        """Its length, to the next answer."""
        return len(self.speech) * CHUNK / SAMPLE_RATE


def hear(encoder, blocks: Iterable[np.ndarray]) -> Heard:
    """Embed all windows of a recording with a bundle's encoder, block after block."""
    speech, hops, vectors, seconds = [], [], [], []
    for number, piece in enumerate(_pieces(blocks)):
        answer = encoder.detector([piece])[0]
        margin = (WINDOW - HOP) // 2
        speech.append(answer[margin : len(answer) - margin].numpy())
        windows, counts = [], []
        for hop in range(len(speech[-1]) // HOP):
            place = slice(hop * HOP, hop * HOP + WINDOW)
            count = int(answer[place].sum())
            if count >= ENOUGH and answer[place][margin : WINDOW - margin].any():
                signal = piece[place.start * CHUNK : place.stop * CHUNK]
                level = encoder.speech.speech_level(signal, answer[place])
                windows.append(encoder.levelled(signal, level))
                counts.append(count)
                hops.append(number * PIECE // HOP + hop)
        if windows:
            parts = torch.stack(windows).split(AT_ONCE)
            vectors += [encoder.embed_windows(part).numpy() for part in parts]
            seconds += [count * CHUNK / SAMPLE_RATE for count in counts]
    ones = np.ones(len(hops), np.int64)
    matrix = np.concatenate(vectors) if vectors else np.zeros((0, 0), np.float32)
    voices = Voices([""] * len(hops), matrix, np.array(seconds), WINDOW * CHUNK * ones, ones)
    return Heard(np.concatenate(speech), np.array(hops, np.int64), voices)


def _pieces(blocks):
    """A signal as tensors of PIECE chunks and half a window more at both ends, without offset.

    The last one is padded with silence.
    """
    margin, size = (WINDOW - HOP) // 2 * CHUNK, PIECE * CHUNK
    left = np.zeros(margin, np.float32)
    for block in blocks:
        left = np.concatenate([left, block.astype(np.float32)])
        while len(left) >= size + 2 * margin:
            yield _centred(left[: size + 2 * margin])
            left = left[size:]
    missing = -(len(left) - margin) % (HOP * CHUNK)
    rest = np.pad(left, (0, missing + margin))
    if len(rest) > 2 * margin:
        yield _centred(rest)


def _centred(signal):
    return torch.from_numpy(signal - signal.mean())


def timeline(heard: Heard, llrs: np.ndarray, names: list[str], known: float) -> list[Segment]:
    """Who speaks when: the most probable course of speakers, by the Viterbi algorithm.

    Arguments
    ---------
    heard
        From `hear`.
    llrs
        Of its voices and the enrolled, shape (voices, enrolled).
    names
        Of the enrolled.
    known
        Probability, before listening, that somebody who speaks is one of them.
    """
    count = -(-len(heard.speech) // HOP)
    evidence = np.zeros((count, len(names) + 1))  # 0 of the last, who is nobody we know
    # Windows overlap, so that all is heard twice.
    evidence[heard.hops, :-1] = llrs * (HOP / WINDOW)
    prior = np.full(len(names) + 1, np.log(known / len(names)))
    prior[-1] = np.log1p(-known)
    course = most_probable_course(evidence, prior, np.log(STAYS), np.log1p(-STAYS) + prior)
    segments = []
    for who, first, last in _runs(heard.speech, course):
        inside = (heard.hops >= first // HOP) & (heard.hops <= (last - 1) // HOP)
        mean = llrs[inside].mean(axis=0) if inside.any() else np.zeros(len(names))
        probability = posteriors(mean[None], known)[0, who]
        name = UNKNOWN if who == len(names) else names[who]
        times = (round(place * CHUNK / SAMPLE_RATE, 2) for place in (first, last))
        segments.append(Segment(*times, name, float(probability)))
    return segments


def most_probable_course(
    evidence: np.ndarray, prior: np.ndarray, stays: float, enters: np.ndarray
) -> np.ndarray:
    """The most probable states of a chain in which who does not stay goes anywhere.

    All are logarithms: `evidence` of shape (steps, states), `prior` of the first state, `stays` of
    staying, `enters` of leaving and going to each state. Gives the states, shape (steps,).

    References
    ----------
    A. Viterbi, "Error bounds for convolutional codes and an asymptotically optimum decoding
    algorithm", IEEE Transactions on Information Theory 1967.
    """
    best = prior + evidence[0]
    came_from = np.zeros(evidence.shape, np.int64)
    states = np.arange(evidence.shape[1])
    for step in range(1, len(evidence)):
        winner = int(best.argmax())
        from_winner = best[winner] + enters
        came_from[step] = np.where(best + stays >= from_winner, states, winner)
        best = np.maximum(best + stays, from_winner) + evidence[step]
    course = [int(best.argmax())]
    for step in range(len(evidence) - 1, 0, -1):
        course.append(int(came_from[step, course[-1]]))
    return np.array(course[::-1])


def _runs(speech, course) -> Iterator[tuple[int, int, int]]:
    """Stretches of speech of one state: the state, the first chunk and the one after the last."""
    chunks = np.flatnonzero(speech)
    states = course[chunks // HOP]
    ends = (np.diff(chunks) > GAP + 1) | (np.diff(states) != 0)
    bounds = [0, *(np.flatnonzero(ends) + 1).tolist(), len(chunks)]
    for first, last in itertools.pairwise(bounds):
        if last - first >= SHORTEST:
            yield int(states[first]), int(chunks[first]), int(chunks[last - 1]) + 1


def write_rttm(
    path: str | Path, segments: Iterable[Segment], recording: str | Path, seconds: float = 0.0
) -> None:
    """Write segments in NIST's Rich Transcription Time Marked format.

    The recording is named without folder and extension; blanks in names become "_".

    Example
    -------
    >>> path = getfixture("tmp_path") / "call.rttm"
    >>> write_rttm(path, [Segment(0.5, 2.0, "Ann Lee", 0.9)], "calls/call.wav")
    >>> path.read_text()
    'SPEAKER call 1 0.50 1.50 <NA> <NA> Ann_Lee <NA> <NA>\\n'
    """
    name = "_".join(Path(recording).stem.split())
    with atomic_file(path) as fout:
        for part in segments:
            times = f"{part.start:.2f} {part.end - part.start:.2f}"
            speaker = "_".join(part.name.split())
            fout.write(f"SPEAKER {name} 1 {times} <NA> <NA> {speaker} <NA> <NA>\n")

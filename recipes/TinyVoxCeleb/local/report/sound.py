"""Sound for the page: each utterance that can be heard there once, in a few megabytes."""

import base64
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from local.errors import RecipeError
from local.layout import SAMPLE_RATE, utterance_key
from local.report.opus import encode, num_seconds
from local.report.recordings import Recording, begin_of, find_files
from local.report.runs import ScoredRun
from local.scoring.trials import TrialList
from local.scoring.utterances import find_utterances
from local.shards import MappedShards, ShardIndex, index_shards
from local.shards.audio import read_samples
from local.shards.reading import stream_audio

MOST = 4_500_000  # characters of all sound: with all else, the page stays below 5 MB


class Quality(NamedTuple):
    """How clips of one kind are encoded, and how long they are; where they are many, shorter."""

    bits_per_second: int
    longest: float  # s
    shortest: float  # s: below it there are none


TRIALS = Quality(24_000, 5.0, 1.0)
POINTS = Quality(12_000, 3.0, 1.0)
TOO_MANY = "there are too many utterances for a page of a few megabytes"


class Place(NamedTuple):
    """Where an utterance lies: an index of shards, and its row there."""

    index: ShardIndex
    row: int


@dataclass
class Sounds:
    """What the page plays: WebM files in base64, and which of them is an utterance of a run.

    `missing` tells by the label of a run why it has no sound, and `seconds` how long the clips of
    trials and of points are at most.
    """

    clips: list[str] = field(default_factory=list)
    numbers: dict[tuple[str, str], int] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    seconds: dict[Quality, float] = field(default_factory=dict)

    @classmethod
    def left_out(cls, runs: list[ScoredRun]) -> "Sounds":
        """No sound at all, as was asked for."""
        return cls(missing={run.label: "it was left out with --no_audio" for run in runs})

    def number(self, label: str, name: str) -> int | None:
        """The number of the clip of an utterance, under the name that trials or maps give it."""
        return self.numbers.get((label, name))


def gather_sounds(
    runs: list[ScoredRun], trials: dict[str, list[str]], points: dict[str, list[str]]
) -> Sounds:
    """Cut and encode what the page plays, from the shards or the folder of audio that was scored.

    The utterances of trials and of points are given by the label of the run. Those of trials come
    first; the points share the room that they leave. Runs with the same audio share their clips.
    """
    sounds, known, places = Sounds(), {}, {}
    for run in runs:
        names = [*dict.fromkeys([*trials.get(run.label, []), *points.get(run.label, [])])]
        try:
            found = _find(run, names, known)
            places |= {(run.label, name): place for name, place in found.items()}
        except RecipeError as error:
            sounds.missing[run.label] = str(error)
    room, done = MOST, {}
    for quality, wanted in ((TRIALS, trials), (POINTS, points)):
        keys = [(label, name) for label, names in wanted.items() for name in names]
        keys = [key for key in dict.fromkeys(keys) if key in places]
        new = dict.fromkeys(places[key] for key in keys if places[key] not in done)
        share = room // max(len(new), 1) // 4 * 3  # of 4 characters base64 makes 3 bytes
        seconds = min(quality.longest, num_seconds(share, quality.bits_per_second))
        if seconds >= quality.shortest:
            for place, signal in _cut(new, round(seconds * SAMPLE_RATE)):
                clip = base64.b64encode(encode(signal, quality.bits_per_second)).decode()
                done[place] = len(sounds.clips)
                sounds.clips.append(clip)
                room -= len(clip)
            if keys:
                sounds.seconds[quality] = seconds
        elif quality is TRIALS:
            sounds.missing |= {label: TOO_MANY for label in wanted if label not in sounds.missing}
        sounds.numbers |= {key: done[places[key]] for key in keys if places[key] in done}
    return sounds


def _find(run, names, known) -> dict[str, Place | Recording]:
    """Where the utterances of a run lie, by the names given; `known` keeps what was indexed."""
    if run.results.audio_folder:
        return find_files(run, names)
    if not run.results.shards:
        raise RecipeError(
            "the results name no shards, as the embeddings came from a file: score the shards"
        )
    if not names:
        return {}
    places = {}
    for folder in run.results.shards:
        if folder not in known:
            index = index_shards(folder)
            known[folder] = {index[row].key: Place(index, row) for row in range(len(index))}
        places |= known[folder]
    wanted = TrialList(np.full(len(names), -1), names, names, str(run.path))
    keys = [utterance_key(name) for name in find_utterances(wanted, places).utterances()[0]]
    if run.embeddings is not None:
        frames = run.embeddings.num_frames[run.embeddings.rows(keys)]
        for key, length in zip(keys, frames.tolist(), strict=True):
            index, row = places[key]
            if index.num_frames.item(row) != length:
                raise RecipeError(
                    f"{index.name}: {key} is not what was scored: the shards have changed since; "
                    "score the run again"
                )
    return {name: places[key] for name, key in zip(names, keys, strict=True)}


def _cut(places: Iterable[Place | Recording], num_frames: int) -> Iterator[tuple]:
    """The begin of each utterance as 16-bit samples, from one shard after the other."""
    places = list(places)
    for recording in (place for place in places if isinstance(place, Recording)):
        if (signal := begin_of(recording, num_frames)) is not None:
            yield recording, signal
    places = [place for place in places if isinstance(place, Place)]
    order = sorted(places, key=lambda place: (place.index.name, place.row))
    for index, group in itertools.groupby(order, lambda place: place.index):
        rows = [place.row for place in group]
        if index.mapped:
            shards = MappedShards(index)
            for row in rows:
                length = min(num_frames, index.num_frames.item(row))
                yield Place(index, row), shards.samples(row, 0, length)
            continue
        for _, part in itertools.groupby(rows, index.shard.item):
            for row, audio in stream_audio(index, list(part)):
                length = min(num_frames, index.num_frames.item(row))
                signal = read_samples(audio, index, row, start=0, num_frames=length)
                yield Place(index, row), signal.copy()

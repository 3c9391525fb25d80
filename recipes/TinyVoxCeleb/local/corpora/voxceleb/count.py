"""Who is in a VoxCeleb that was found, and how much there is of each of its parts."""

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from local.corpora.voxceleb.meta import Told
from local.corpora.voxceleb.names import PARTS, SPEAKER, part_of, side_of
from local.errors import first_of

UNTOLD = Told("", "", "")


class Person(NamedTuple):
    """A speaker: sex "f", "m" or "", and a key of PARTS, "" where nothing tells."""

    sex: str
    nationality: str
    part: str


@dataclass
class Tally:
    """What was found of a part."""

    speakers: int = 0
    sessions: int = 0
    utterances: int = 0
    folders: dict = field(default_factory=dict)  # as a set that keeps its order


def count(
    data_folder: str | Path, paths: Mapping[str, str], told: Mapping[str, Told]
) -> tuple[dict[str, Person], dict[str, Tally]]:
    """The speakers of utterances, whose paths are sorted by ids, and a Tally of each part.

    `told` is what tables tell of speakers. What they do not, folders below the data folder may.
    """
    above = len(os.path.dirname(os.path.abspath(data_folder)))
    speakers, tallies, tally, session = {}, {}, Tally(), None
    for identifier, path in paths.items():
        if session is None or not identifier.startswith(session):
            speaker, video, _ = identifier.split("/")
            session = f"{speaker}/{video}/"
            folder = _folder_of(path, video)
            if speaker not in speakers:
                person = told.get(speaker, UNTOLD)
                part = part_of(speaker, person.side or side_of(folder[above:].split("/")))
                speakers[speaker] = Person(person.sex, person.nationality, part)
                tally = tallies.setdefault(part, Tally())
                tally.speakers += 1
            tally.sessions += 1
            tally.folders[folder] = None
        tally.utterances += 1
    return speakers, tallies


def _folder_of(path, video):
    """The folder that holds those of speakers, where an utterance lies in one of them."""
    folder, _, last, _ = path.rsplit("/", 3)
    return folder if last == video else path.rsplit("/", 2)[0]


def is_complete(tallies: Mapping[str, Tally], part: str) -> bool:
    """Whether all utterances of a part that is published were found."""
    return part in PARTS and part in tallies and tallies[part].utterances >= PARTS[part].utterances


def summary(tallies: Mapping[str, Tally]) -> Iterator[str]:
    """A line on each part that was found."""
    for part, tally in sorted(tallies.items()):
        whole = PARTS.get(part)
        title = whole.title if whole else "VoxCeleb, of a part that nothing tells"
        line = f"{title}: {_counts(tally)} in {first_of(sorted(tally.folders), 3)}"
        if whole is None:
            yield (
                f"{line}; vox2_meta.csv would tell it, or folders called dev and test, so that "
                "VoxCeleb2's test set, who may be in VoxCeleb1, is left out where that is evaluated"
            )
        elif (tally.speakers, tally.sessions, tally.utterances) == whole[1:]:
            yield f"{line}: complete"
        else:
            order = "incomplete" if tally.utterances < whole.utterances else "not as published"
            yield f"{line}: {order}, as there are {_counts(whole)}"


def _counts(tally):
    return (
        f"{tally.speakers:,} speakers, {tally.sessions:,} sessions, {tally.utterances:,} utterances"
    )


def unknown(speakers: Mapping[str, Person], tables: Collection[str]) -> Iterator[str]:
    """What nothing tells of speakers, for the user."""
    without = [speaker for speaker, person in speakers.items() if not person.sex]
    if without:
        tables = f"{first_of(tables)} do not tell it" if tables else "there is no vox1_meta.csv"
        some = f"{len(without):,} of {len(speakers):,} speakers ({first_of(without, 3)})"
        yield f"the sex of {some} is not known: {tables}"
    named = [speaker for speaker in speakers if not SPEAKER.fullmatch(speaker)]
    if named:
        yield (
            f"{len(named):,} speakers are called by their names ({first_of(named, 3)}), where "
            "lists have ids such as id10001: vox1_meta.csv beside the audio tells these"
        )

"""What the writer of shards notes beside them for its next call: made of what, and what it found.

The note is put in place with the shards, so that no moment at which a job may be killed loses what
was found out: whoever calls again is told it again.
"""

import functools
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np

from local.corpora.listening import NO_SPEECH, Listener, speech_warnings
from local.corpora.quality import Faults
from local.errors import RecipeError
from local.files import atomic_file
from local.shards.checking import Recording, as_wav
from local.shards.places import Utterance
from local.shards.tree import LABELLED
from local.shards.utterances import Utterances
from local.stored import check_type, parse_json

RECORD = "written.json"
PROBES = 16  # files, of a split and of each shard, of which a part is read
PROBE = 1 << 16  # bytes of that


class Origin(TypedDict):
    """What the shards of a split were written from."""

    utterances: int
    files: str  # a digest of their ids and sizes, and of parts of some of them
    classes: str  # a digest of the classes of their speakers
    size: int  # samples a shard
    seed: int


class Record(TypedDict):
    """What stands beside the shards of a split."""

    origin: Origin
    checked: bool  # whether all was decoded
    absent: str  # why there was no detector of speech, "" if there was
    faults: dict[str, list[str]]  # the files with each fault, relative to the tree


def origin_of(
    files: Sequence[Utterance], split: str, classes: Mapping[str, int], **options: int
) -> Origin:
    """What shards of these utterances are written from; `options` are size and seed.

    Of a few files the middle is read: those that were mended, or made louder, keep their sizes.
    """
    digest, speakers = hashlib.sha256(), set()
    for each in files:
        speakers.add(each.speaker)
        digest.update(f"{each.id}{each.suffix} {each.size}\n".encode())
    for place in np.linspace(0, len(files) - 1, min(PROBES, len(files)), dtype=int):
        digest.update(_middle(files[place]))
    speakers = speakers if split in LABELLED else ()
    return {
        "utterances": len(files),
        "files": digest.hexdigest(),
        "classes": digest_of({speaker: classes[speaker] for speaker in speakers}),
        **options,
    }


def digest_of(classes: dict[str, int]) -> str:
    """A text for the classes of some speakers, which differs for others."""
    return hashlib.sha256(json.dumps(sorted(classes.items())).encode()).hexdigest()


def _middle(utterance):
    try:
        if not utterance.member:
            return read_middle(utterance.path, utterance.size)
        begin = max(0, utterance.size - PROBE) // 2
        return utterance.read()[begin : begin + PROBE]
    except (OSError, RecipeError):  # told where it is read
        return b""


def read_middle(path: str | Path, size: int) -> bytes:
    """What is in the middle of a file of so many bytes, by which others of that size differ."""
    with open(path, "rb") as file:
        file.seek(max(0, size - PROBE) // 2)
        return file.read(PROBE)


def check_origin(folder: Path, found: Origin, asked: Origin, source: str, meta: Path) -> None:
    """Check that the shards in a folder are those that would be written there, or refuse.

    `found` may lack what is not known of them; `source` is the split's folder in the tree, or
    its list.
    """
    files = (
        f"they hold {found['utterances']} utterances, and {source} has {asked['utterances']}"
        if found["utterances"] != asked["utterances"]
        else f"names, sizes or audio of the {asked['utterances']} files in {source} are others"
    )
    told = {
        "utterances": files,
        "files": files,
        "classes": f"the classes of their speakers are not those of {meta}",
        "size": f"they have {found.get('size')} samples each, not --size {asked['size']}",
        "seed": f"they have the order of --seed {found.get('seed')}, not {asked['seed']}",
    }
    for key, value in found.items():
        if value != asked[key]:
            raise RecipeError(
                f"{folder}: the shards there were written from something else: {told[key]}; choose "
                f"another --out, or remove {folder} to write it anew"
            )


def write_record(folder: Path, record: Record) -> None:
    """Note beside shards what they were made of, and what was found."""
    with atomic_file(folder / RECORD) as fout:
        json.dump(record, fout, indent=1)  # piece by piece: there may be a million names
        fout.write("\n")


def read_record(folder: Path) -> Record | None:
    """What stands beside shards; None where nothing does, as in the original data."""
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        record = parse_json(path.read_bytes())
        check_type(record, Record)
    except (ValueError, KeyError) as error:
        raise RecipeError(
            f"{path}: no note of how shards were written ({error}); remove it to use them without"
        ) from None
    return record


class Findings:
    """What is found out about recordings that are decoded, and is no reason to refuse them."""

    def __init__(self, listener: Listener):
        self._listener, self._faults = listener, Faults()

    def add(self, place: int, recording: Recording, utterance: Utterance, named: bool) -> None:
        """Take in the recording of an utterance, which has this place in its shard.

        `named` is whether its speaker is known.
        """
        self._faults.add(place, *recording.level.faults(), *recording.notes)
        second = recording.level.second.copy()  # it lies in what `Readers` use again
        path = utterance.path
        if recording.converted or utterance.member:
            path = functools.partial(as_wav, utterance)
        self._listener.add(place, utterance.speaker if named else "", second, path)

    def of_shard(self) -> tuple[dict[str, list[int]], str]:
        """The places with each fault, and why there was no detector of speech, if there was none.

        It waits until the last recording of the shard was heard; then the next shard begins.
        """
        if mute := self._listener.wait():
            self._faults.add_all(NO_SPEECH, mute)
        faults, self._faults = self._faults.files, Faults()
        return faults, self._listener.absent


def record_of(
    files: Utterances,
    origin: Origin,
    checked: bool,
    shards: list[tuple[dict[str, list[int]], str]],
    kinds: list[str],
) -> Record:
    """What is to stand beside the shards of a split: by what `Findings` have of each shard.

    `kinds` are the faults in the order in which they are told.
    """
    faults = {}
    for number, (found, _) in enumerate(shards):
        for fault, places in found.items():
            names = faults.setdefault(fault, [])
            names += [files.name(number * origin["size"] + place) for place in places]
    for names in faults.values():
        names.sort(key=lambda name: name.split("/"))
    return {
        "origin": origin,
        "checked": checked,
        "absent": next((absent for _, absent in shards if absent), ""),
        "faults": {fault: faults[fault] for fault in kinds if fault in faults},
    }


def warnings(files: dict[str, Utterances], records: dict[str, Record]) -> Iterator[str]:
    """A warning for each kind of fault in all splits together, with the first names."""
    checked = {split: record for split, record in records.items() if record["checked"]}
    faults, heard, mute = Faults(), Counter(), Counter()
    for split, record in checked.items():
        for fault, names in record["faults"].items():
            faults.add_all(fault, names)
        if split != "eval":
            heard.update(files[split].speakers())
            mute.update(name.split("/")[-3] for name in record["faults"].get(NO_SPEECH, []))

    def told(name):
        return files[name.partition("/")[0]].told(name)

    absent = next((record["absent"] for record in checked.values() if record["absent"]), "")
    yield from speech_warnings(absent, heard, mute)
    yield from faults.lines(sum(len(files[split]) for split in checked), told)

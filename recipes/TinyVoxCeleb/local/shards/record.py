"""What the writer of shards notes beside them for its next call: made of what, and what it found.

The note is put in place with the shards, so that no moment at which a job may be killed loses what
was found out: whoever calls again is told it again.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

import numpy as np

from local.corpora.listening import NO_SPEECH, Listener, speech_warnings
from local.corpora.quality import MORE, Faults
from local.errors import RecipeError
from local.files import atomic_file
from local.shards.checking import Recording, file_size
from local.shards.tree import LABELLED, id_of
from local.stored import check_type, parse_json

RECORD = "written.json"
PROBES, PROBE = 16, 1 << 16  # files of a split of which a part is read, and bytes of that


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


def origin_of(paths: list[Path], split: str, classes: dict[str, int], **options: int) -> Origin:
    """What shards of these files are written from; `options` are size and seed.

    Of a few files the middle is read: those that were mended, or made louder, keep their sizes.
    """
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{id_of(path)}{path.suffix.lower()} {file_size(path)}\n".encode())
    for place in np.linspace(0, len(paths) - 1, min(PROBES, len(paths)), dtype=int):
        digest.update(_middle(paths[place]))
    speakers = {path.parts[-3] for path in paths} if split in LABELLED else ()
    return {
        "utterances": len(paths),
        "files": digest.hexdigest(),
        "classes": digest_of({speaker: classes[speaker] for speaker in speakers}),
        **options,
    }


def digest_of(classes: dict[str, int]) -> str:
    """A text for the classes of some speakers, which differs for others."""
    return hashlib.sha256(json.dumps(sorted(classes.items())).encode()).hexdigest()


def _middle(path):
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file_size(path) - PROBE) // 2)
            return file.read(PROBE)
    except OSError:  # told where it is read
        return b""


def check_origin(folder: Path, found: Origin, asked: Origin, source: Path, meta: Path) -> None:
    """Check that the shards in a folder are those that would be written there, or refuse.

    `found` may lack what is not known of them; `source` is the split's folder in the tree.
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
        fout.write(json.dumps(record, indent=1) + "\n")


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

    def __init__(self, tree: Path, listener: Listener):
        self._tree, self._listener, self._faults = tree, listener, Faults()

    def add(self, path: Path, recording: Recording, speaker: str) -> None:
        """Take in the recording of a file; a speaker who is not known is ""."""
        self._faults.add(path, *recording.level.faults(), *[MORE] * recording.more)
        second = recording.level.second.copy()  # it lies in what `Readers` use again
        self._listener.add(path, speaker, second, path)

    def records(self, origins: dict[str, Origin], checked: bool) -> dict[str, Record]:
        """What is to stand beside the shards of each split, once the last file was heard."""
        list(self._listener.tell(self._faults))
        absent = self._listener.absent
        records = {
            split: Record(origin=origin, checked=checked, absent=absent, faults={})
            for split, origin in origins.items()
        }
        for fault, paths in self._faults.files.items():
            for name in sorted(path.relative_to(self._tree) for path in paths):
                records[name.parts[0]]["faults"].setdefault(fault, []).append(str(name))
        return records


def warnings(tree: Path, files: dict[str, list[Path]], records: dict[str, Record]) -> Iterator[str]:
    """A warning for each kind of fault in all splits together, with the first names."""
    checked = {split: record for split, record in records.items() if record["checked"]}
    faults, heard, mute = Faults(), Counter(), Counter()
    for split, record in checked.items():
        for fault, names in record["faults"].items():
            for name in names:
                faults.add(tree / name, fault)
        if split != "eval":
            heard.update(path.parts[-3] for path in files[split])
            silent = map(Path, record["faults"].get(NO_SPEECH, []))
            mute.update(path.parts[-3] for path in silent)
    absent = next((record["absent"] for record in checked.values() if record["absent"]), "")
    yield from speech_warnings(absent, heard, mute)
    yield from faults.lines(sum(len(files[split]) for split in checked))

"""A folder of copies of shards, each with a note that names its source.

Beside the folder stands what its sources were found to hold, so that copies that are complete can
be used while the server that they came from does not answer.
"""

import collections
import hashlib
import itertools
import json
import logging
import re
import shutil
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from tqdm import tqdm

from local.errors import RecipeError
from local.files import atomic_file, exclusive
from local.shards.addresses import ARCHIVES, is_pipe, public, shard_name, split_sources
from local.shards.complete import ManifestEntry, write_manifest
from local.shards.copying import Copy, note_of, read_note
from local.shards.listing import find_shards
from local.shards.remote import NotReached
from local.shards.sources import stamps_of

logger = logging.getLogger(__name__)
DATE = "%Y-%m-%d %H:%M"


def stage_shards(source: str | Path, folder: str | Path) -> list[Path]:
    """Copy the shards of a source to a folder, unpacked, and return the copies: see `Copies`."""
    copies = plan_copies(split_sources(source), folder)
    copies.complete()
    return copies.shards


def plan_copies(
    sources: list[str | Path], folder: str | Path, *, unpacked: bool = True
) -> "Copies":
    """See what sources hold and which copies of it a folder is to get.

    Each source is asked once. Where a server does not answer, they are taken to hold what they
    held when the folder was last filled, if that was with them and all copies are there.

    With `unpacked`, a packed shard is unpacked, and the output of a command is copied anew.
    Otherwise shards are copied as they are, and the output of a command is kept.
    """
    folder = Path(folder)
    try:
        found, manifests = zip(*map(find_shards, sources), strict=True)
        shards = [*itertools.chain(*found)]
        versions = stamps_of(shards)
    except NotReached as failure:
        return _find_copies(sources, folder, failure)
    entries = dict(collections.ChainMap(*manifests))
    for shard, version in zip(shards, versions, strict=True):
        if shard in entries:
            entries[shard].check(shard, version)
    if unpacked:  # nobody knows whether a command gives the same again
        versions = [version or None for version in versions]
    copies = zip(shards, _names(shards, unpacked), versions, strict=True)
    return Copies(
        folder,
        [Copy(shard, folder / name, version) for shard, name, version in copies],
        [len(of_source) for of_source in found],
        sources,
        unpacked,
        entries=entries,
    )


def _names(shards, unpacked):
    """The copies' names, of which the folder is to have the order of the shards."""
    names, endings = [], []
    for name in map(shard_name, shards):
        ending = next((ending for ending in ARCHIVES if name.endswith(ending)), "")
        endings.append(".tar" if unpacked else ending)
        names.append(name.removesuffix(ending) + endings[-1])
    if names == sorted(set(names)) and all(name.startswith("shard-") for name in names):
        return names
    return [f"shard-{number:06d}{ending}" for number, ending in enumerate(endings)]


def _find_copies(sources, folder, failure):
    note = read_note(folder) or {}
    try:
        copies = [Copy(None, folder / name, version) for name, version in note["copies"]]
        known = note["sources"] == _digest(sources) and all(copy.is_complete() for copy in copies)
        date, counts = note["date"], note["counts"]
        time.strptime(date, DATE)
        known = known and all(type(count) is int and count >= 0 for count in counts)
        known = known and (len(counts), sum(counts)) == (len(sources), len(copies))
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise failure
    reason = str(failure).partition(";")[0]
    logger.warning(f"{reason}; the copies of {date} in {folder} are used")
    return Copies(folder, copies, counts, sources, failure=failure)


def _digest(sources):
    return hashlib.sha256("\n".join(map(str, sources)).encode()).hexdigest()


@dataclass(frozen=True)
class Copies:
    """What a folder holds of some sources, or is to hold, in their order."""

    folder: Path
    copies: list[Copy]
    counts: list[int]  # of the shards of each source
    sources: list[str | Path]
    unpacked: bool = True
    failure: NotReached | None = None  # why nothing can be copied now
    entries: dict[Path | str, ManifestEntry] = field(default_factory=dict)  # of the sources

    @property
    def shards(self) -> list[Path]:
        """Where the copies lie."""
        return [copy.place for copy in self.copies]

    def complete(self) -> None:
        """Copy what is not there, or has changed, one after the other, each from start to end.

        A copy is read back and compared with what was read from the source. Copies of shards that
        the sources no longer have are removed. Several processes of a machine may ask for it at
        once: one copies, the others wait.

        Raises
        ------
        RecipeError
            A source cannot be read, or changes meanwhile; too little room; the folder holds shards
            that do not come from there.
        """
        waiting = f"{self.folder}: waiting for another process that copies shards there"
        try:
            with exclusive(self.folder.with_name(f".{self.folder.name}.lock"), waiting):
                missing = [copy for copy in self.copies if not copy.is_complete()]
                if missing and self.failure:
                    raise self.failure
                if not self.failure:
                    self._remove_old()
                    self._copy(missing)
                    self._write_manifest()
                    self._write_note()
        except OSError as error:
            raise RecipeError(
                f"{self.folder}: shards cannot be copied there ({error.strerror or error}); choose "
                "another folder"
            ) from None

    def _write_note(self):
        values = {
            "sources": _digest(self.sources),
            "date": time.strftime(DATE),
            "copies": [[copy.place.name, copy.version] for copy in self.copies],
            "counts": self.counts,
        }
        with atomic_file(note_of(self.folder)) as fout:
            json.dump(values, fout)

    def _write_manifest(self):
        copies = ((copy.place.name, self.entries.get(copy.shard)) for copy in self.copies)
        entries = (
            replace(entry, name=name) if entry else ManifestEntry(name) for name, entry in copies
        )
        write_manifest(self.folder, entries)

    def _remove_old(self):
        places, origins = set(self.shards), {_origin(copy.shard) for copy in self.copies}
        for found in self.folder.glob("shard-*"):
            # The note comes before the copy. Copies of other data may be in use by a training.
            origin = (read_note(found) or {}).get("source")
            if not isinstance(origin, str) or _origin(origin) not in origins:
                source = ",".join(map(public, self.sources))
                raise RecipeError(
                    f"{found}: was not copied there from {source}, as far as its note tells, and "
                    "would be read with it or replaced; choose an empty folder"
                )
            if found not in places:
                found.unlink()
                note_of(found).unlink()

    def _copy(self, missing):
        if not missing:
            return
        sizes = [copy.size for copy in missing]
        # What will be replaced makes room only after its successor is complete. Packed shards need
        # more than is known here.
        _check_space(self.folder, sum(size or 0 for size in sizes))
        self._write_manifest()  # before: a folder that is filled in part is none to read
        total = None if None in sizes else sum(sizes)
        with _progress_bar(total, f"copying {len(missing)} shards to {self.folder}") as bar:
            for copy, size in zip(missing, sizes, strict=True):
                before = bar.n
                copy.make(bar.update, unpacked=self.unpacked)
                if size is not None:  # a packed one has given more
                    bar.update(before + size - bar.n)
        tqdm.write(f"{self.folder}: copied {len(missing)} shards")


def _origin(shard):
    """The folder of a shard, or the command without its numbers."""
    text = public(shard)
    return re.sub(r"\d+", "", text) if is_pipe(text) else text.rpartition("/")[0]


def _check_space(folder, needed):
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed > free:
        raise RecipeError(
            f"{folder}: {needed:,} bytes are to be copied there, and {free:,} are free; make room, "
            "or choose another folder"
        )


def _progress_bar(total, label):
    """A bar that counts bytes; in a log file, where it cannot move, a line now and then."""
    return tqdm(
        total=total,
        desc=label,
        unit="B",
        unit_scale=True,
        leave=False,
        delay=1,  # seconds: what is done before then needs no bar
        mininterval=0.1 if sys.stderr.isatty() else 30,
    )

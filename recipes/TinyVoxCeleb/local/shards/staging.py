"""Which shards are copied to a folder, which lie there already, and which have to go."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from local.errors import RecipeError
from local.files import atomic_file, exclusive
from local.shards import remote
from local.shards.copying import check_archive, check_space, copy_verified, progress_bar
from local.shards.fetching import shard_name
from local.shards.listing import ARCHIVES, list_shards
from local.shards.opening import open_shard, stamp, stamps
from local.shards.pipes import is_pipe
from local.shards.retrying import public


@dataclass(frozen=True)
class _Job:
    """One shard to be copied: from where, to where, and the version that is meant."""

    shard: object
    target: Path
    version: str

    @property
    def note(self):
        """The file beside the copy that tells what it is a copy of."""
        return self.target.with_name(f".{self.target.name}.json")

    def is_done(self):
        """Whether the copy is there, of this version, and as it was written."""
        if is_pipe(self.shard):  # nobody knows whether its output is the same as before
            return False
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
            return (note["version"], note["copy"]) == (self.version, stamp(self.target))
        except (OSError, ValueError, KeyError, RecipeError):
            return False

    def write_note(self, digest=None):
        """Tell that a copy comes here; once it is there, tell its SHA-256."""
        copy = stamp(self.target) if digest else None
        source = public(str(self.shard))
        values = {"source": source, "version": self.version, "copy": copy, "sha256": digest}
        with atomic_file(self.note) as fout:
            json.dump(values, fout)


def stage_shards(sources, folder):
    """Copy the shards of several splits, one after the other, each file from start to end.

    A packed shard is unpacked. A copy is read back and compared with what was read from the
    source. What is there already and has not changed is left; copies of shards that the source no
    longer has are removed. Several processes of a machine may ask for it at once: one copies, the
    others wait.

    Arguments
    ---------
    sources : dict
        The source of each split, as for `list_shards`.
    folder : str or Path
        Gets one folder a split.

    Returns
    -------
    dict
        The folder of each split.

    Raises
    ------
    RecipeError
        A source cannot be read, or changes meanwhile; too little room; the folder holds shards
        that do not come from here.
    """
    folder = Path(folder)
    staged = {split: folder / split for split in sources}
    jobs = {split: _plan(source, staged[split]) for split, source in sources.items()}
    waiting = f"{folder}: waiting for another process that copies shards there"
    try:
        with exclusive(folder / ".staging.lock", waiting):
            for split in sources:
                _remove_old(jobs[split], staged[split], sources[split])
                _copy([job for job in jobs[split] if not job.is_done()], staged[split])
    except OSError as error:
        raise RecipeError(
            f"{folder}: shards cannot be copied there ({error.strerror or error}); choose another "
            "folder"
        ) from None
    return staged


def _plan(source, folder):
    shards = list_shards(source)
    names = [_plain_name(shard) for shard in shards]
    # The folder's order is that of names: where these would not keep it, the shards are numbered.
    if names != sorted(set(names)) or not all(name.startswith("shard-") for name in names):
        names = [f"shard-{number:06d}.tar" for number in range(len(shards))]
    jobs = zip(shards, names, stamps(shards), strict=True)
    return [_Job(shard, folder / name, version) for shard, name, version in jobs]


def _plain_name(shard):
    name = shard.name if isinstance(shard, Path) else shard_name(shard)
    ending = next((ending for ending in ARCHIVES if name.endswith(ending)), "")
    return f"{name.removesuffix(ending)}.tar"


def _remove_old(jobs, folder, source):
    wanted = {job.target for job in jobs}
    origins = {_origin(job.shard) for job in jobs}
    for found in folder.glob("shard-*"):
        note = found.with_name(f".{found.name}.json")
        # The note comes before the copy. Copies of other data may be in use by another training.
        if not note.exists() or _origin(json.loads(note.read_text())["source"]) not in origins:
            raise RecipeError(
                f"{found}: was not copied there from {public(str(source))}, and would be read with "
                "it or replaced; choose an empty folder"
            )
        if found not in wanted:
            found.unlink()
            note.unlink()


def _origin(shard):
    """The folder of a shard, or the command without its numbers."""
    text = public(str(shard))
    return re.sub(r"\d+", "", text) if is_pipe(text) else text.rpartition("/")[0]


def _copy(jobs, folder):
    if not jobs:
        return
    sizes = [_size(job.shard) for job in jobs]
    # What will be replaced makes room only after its successor is complete. Packed shards need
    # more than is known here.
    check_space(folder, sum(size or 0 for size in sizes))
    total = None if None in sizes else sum(sizes)
    with progress_bar(total, f"copying {len(jobs)} shards to {folder}") as bar:
        for job, size in zip(jobs, sizes, strict=True):
            before = bar.n
            job.write_note()
            with open_shard(job.shard) as source:
                _, digest = copy_verified(source, job.target, bar.update)
            check_archive(job.target, job.shard)
            if stamp(job.shard) != job.version:
                job.target.unlink()
                raise RecipeError(
                    f"{public(str(job.shard))}: changed while it was copied; run the command again"
                )
            job.write_note(digest)
            if size is not None:  # a packed one has given more
                bar.update(before + size - bar.n)
    tqdm.write(f"{folder}: copied {len(jobs)} shards")


def _size(shard):
    if is_pipe(shard):
        return None
    return shard.stat().st_size if isinstance(shard, Path) else remote.describe(shard)[0]

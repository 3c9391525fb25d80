"""Embeddings that lie beside the run that made them, found again by content."""

import contextlib
import hashlib
import json
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from local.bundle import checkpoint_digest
from local.bundle.windows import MAX_FRAMES
from local.embeddings.table import Embeddings, read_about, read_embeddings, write_embeddings
from local.errors import RecipeError
from local.files import remove_leftovers
from local.shards import list_shards

SHOWN = ("path", "size", "sha256")
DIGITS = 16  # of the digest in a file's name
FORMAT = 1  # to be raised when embeddings are computed or stored in another way
CLOCK_TICK = 2 * 10**9  # ns: the coarsest file times in use, those of FAT


class EmbeddingCache:
    """The file that holds, or is to hold, the embeddings of one folder of shards.

    It is RUN/embeddings/FOLDER-DIGEST.npz, where DIGEST is made of the contents of the checkpoint
    and of the shards, so it serves shards that were copied or moved, and never serves others that
    have the same names, ids, lengths and sizes.

    Arguments
    ---------
    bundle
        Inference folder of the run.
    shard_folder
        A RecipeError if there are no shards in it.
    precision
        "fp32", "bf16" or "fp16".
    """

    def __init__(self, bundle: Path, shard_folder: str | Path, precision: str):
        run = bundle.parent if bundle.name == "inference" else bundle
        self.folder = run / "embeddings"
        self.shards = list_shards(shard_folder)
        abouts = [read_about(path) or {} for path in sorted(self.folder.glob("*.npz"))]
        self.records = shard_records(
            self.shards, [record for about in abouts for record in about.get("shards", [])]
        )
        self.about = {
            "format": FORMAT,
            "checkpoint": checkpoint_digest(bundle),
            "precision": precision,
            "max_frames": MAX_FRAMES,
            # Without times: the same embeddings are to give the same file.
            "shards": [{key: record[key] for key in SHOWN} for record in self.records],
        }
        key = json.dumps(_key(self.about), sort_keys=True)
        digest = hashlib.sha256(key.encode()).hexdigest()[:DIGITS]
        name = f"{Path(shard_folder).resolve().name}-{digest}.npz"
        # The same content may have been found in a folder of another name.
        others = sorted(self.folder.glob(f"*-{digest}.npz"))
        self.path = others[0] if others else self.folder / name

    def find(self) -> Embeddings | None:
        """The embeddings; None if they are not there, or damaged, as a line on stderr then says."""
        remove_leftovers(self.folder)
        if not self.path.exists():
            return None
        try:
            found = read_embeddings(self.path)
            if _key(found.about) != _key(self.about):
                raise RecipeError(f"{self.path}: holds other embeddings than its name tells")
        except RecipeError as error:
            print(f"embedding once more, as the cache cannot be used: {error}", file=sys.stderr)
            return None
        moved = found.about["shards"] != self.records
        found = replace(found, about=self.about)
        if moved:  # or touched: remember where they are now
            self.store(found)
        return found

    def store(self, embeddings: Embeddings) -> None:
        """Keep embeddings for later calls; where that cannot be, a line on stderr says so.

        Those of a network that has been replaced since go: nothing would ever find them.
        """
        with keeping(self.folder, self.about["checkpoint"]):
            about = {**self.about, "shards": self.records}
            write_embeddings(self.path, replace(embeddings, about=about))

    def check_unchanged(self) -> None:
        """Check that nobody has written to the shards since; else it is a RecipeError."""
        for record, state in zip(self.records, shard_states(self.shards), strict=True):
            if any(record[key] not in (state[key], None) for key in state):
                raise RecipeError(
                    f"{state['path']}: changed while it was read; start again when it is complete"
                )


@contextlib.contextmanager
def keeping(folder: Path, checkpoint: str) -> Iterator[None]:
    """Keep embeddings in a folder; where that cannot be, a line on stderr says so.

    Those of other networks than the one with this digest go, once that is done.
    """
    try:
        yield
        for path in folder.glob(f"*-{'[0-9a-f]' * DIGITS}.npz"):
            network = (read_about(path) or {}).get("checkpoint")
            if network not in (None, checkpoint):
                path.unlink(missing_ok=True)
    except OSError as error:
        print(
            f"{folder}: cannot be written ({error.strerror}): the embeddings are not kept for "
            "later calls",
            file=sys.stderr,
        )


def _key(about):
    return {**about, "shards": [record.get("sha256") for record in about.get("shards", [])]}


def shard_states(shards: list[Path]) -> list[dict]:
    """What the file system tells of shards, by which a changed one is known without reading it.

    That is the path, size, mtime_ns and ctime_ns of each. The last, unlike the others, cannot be
    carried over to another file by those who copy it.
    """
    states = []
    for shard in shards:
        stat = shard.stat()
        state = {"path": str(shard.resolve()), "size": stat.st_size}
        states.append({**state, "mtime_ns": stat.st_mtime_ns, "ctime_ns": stat.st_ctime_ns})
    return states


def shard_records(shards: list[Path], known: Iterable[dict] = ()) -> list[dict]:
    """The states of shards with the sha256 of their content, read only where it is not known.

    As in git's index, a digest is taken as known for a file whose path, size and times are those
    in one of the `known` records, which earlier calls have given. A shard that changed a moment
    ago may change once more within the tick of its clock: its ctime_ns is None, and so its record
    is never taken as known.
    """
    states = shard_states(shards)
    digests = {_state(record): record.get("sha256") for record in known}
    unknown = [state["size"] for state in states if not digests.get(_state(state))]
    records = []
    bar = {"total": sum(unknown), "unit": "B", "unit_scale": True, "delay": 2, "leave": False}
    with tqdm(desc="reading shards", **bar, dynamic_ncols=True) as progress:
        for state in states:
            digest = digests.get(_state(state))
            if digest is None:
                if time.time_ns() - max(state["mtime_ns"], state["ctime_ns"]) < CLOCK_TICK:
                    state = {**state, "ctime_ns": None}
                with open(state["path"], "rb") as fin:
                    digest = hashlib.file_digest(fin, "sha256").hexdigest()
                progress.update(state["size"])
            records.append({**state, "sha256": digest})
    return records


def _state(record):
    return tuple(record.get(key) for key in ("path", "size", "mtime_ns", "ctime_ns"))

"""What the shards of a split hold, and where in them it lies: one pass over the headers.

The index is a table of numpy columns: a hundred thousand utterances take 10 MB, which processes
that are forked share. It is kept in a file, so that the pass is made once while the shards stay
as they are.
"""

import collections.abc
import functools
import json
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from tqdm import tqdm

from local.errors import RecipeError
from local.files import atomic_file, remove_leftovers
from local.shards.addresses import public
from local.shards.arrays import read_arrays
from local.shards.complete import DIGEST, ManifestEntry, read_manifests
from local.shards.headers import Sample, read_headers
from local.shards.listing import find_shards
from local.shards.sources import can_be_mapped, open_shard, stamps_of
from local.stored import parse_json


@dataclass(frozen=True, eq=False)
class ShardIndex(collections.abc.Sequence):
    """The utterances of one split, in the order of the shards; a sequence of Sample.

    The arrays are of shape (utterances,).
    """

    shards: list[Path | str]
    stamps: list[str]  # by which it is seen that a shard has changed since
    sample_ids: np.ndarray  # "speaker/session/utterance" in UTF-8, dtype S
    shard: np.ndarray  # number of the shard that holds an utterance
    offset: np.ndarray  # where in the archive the audio file begins, in bytes
    size: np.ndarray  # of the audio file, in bytes
    pcm: np.ndarray  # where in that file its 16-bit PCM begins; -1 where it has to be decoded
    num_frames: np.ndarray  # audio samples
    class_idx: np.ndarray  # of a training speaker; -1 for those without
    digests: np.ndarray  # uint8 (utterances, 16), of the audio; zeros where no manifest tells them

    def __len__(self):
        return len(self.sample_ids)

    def __getitem__(self, row):
        sample_id = self.sample_ids[row].decode()
        class_idx = int(self.class_idx[row])
        return Sample(sample_id, int(self.num_frames[row]), None if class_idx < 0 else class_idx)

    @functools.cached_property
    def mapped(self) -> bool:
        """Whether all shards can be mapped into memory."""
        return all(can_be_mapped(shard) for shard in self.shards)

    @property
    def name(self) -> str:
        """Where the shards lie, for messages."""
        folders = (public(shard).rpartition("/")[0] for shard in self.shards)
        return ",".join(dict.fromkeys(folders))


BESIDE = ("shards", "stamps", "digests")  # what is not kept with the index
COLUMNS = [field.name for field in fields(ShardIndex) if field.name not in BESIDE]


def index_shards(
    source: str | Path | list[Path | str],
    index_file: str | Path | None = None,
    name: str = "",
    entries: dict[Path | str, ManifestEntry] | None = None,
) -> ShardIndex:
    """Read and check what the shards of one split hold, without decoding any audio.

    The source is one that `list_shards` takes, or the list that it gives. The index is kept in
    `index_file`, and read from there while the shards are as they were. `name` is that of the
    split, for the progress bar. `entries` are of other manifests than those beside the shards.

    Raises
    ------
    RecipeError
        No shards; a truncated archive; a JSON without audio or the reverse; a JSON that lacks a
        field; a sample rate other than 16 kHz; empty audio; the same sample_id twice; a shard with
        other bytes or samples than its manifest tells.
    """
    shards, beside = (
        (source, read_manifests(source)) if isinstance(source, list) else find_shards(source)
    )
    entries = {**(entries or {}), **beside}
    found = stamps_of(shards)
    state = [*map(str, shards), *found]
    if not all(found):
        index_file = None  # nobody knows whether a command gives the same again
    columns = None
    if index_file:
        remove_leftovers(Path(index_file).parent)
        columns = _read(index_file, state)
    if columns is None:
        columns = _index_all(shards, name)
        if index_file:
            with atomic_file(index_file, "wb") as fout:
                np.savez(fout, state=np.array(json.dumps(state)), **columns)
    if not len(columns["sample_ids"]):
        raise RecipeError(f"{public(shards[0])}: the shards hold no samples")
    return ShardIndex(shards, found, **columns, digests=_digests(shards, found, columns, entries))


def _digests(shards, stamps, columns, entries):
    """The digests of all utterances, once all shards are found to be as their manifests tell."""
    digests = [np.zeros((0, DIGEST), np.uint8)]
    counts = np.bincount(columns["shard"], minlength=len(shards)).tolist()
    for shard, stamp, count in zip(shards, stamps, counts, strict=True):
        known = entries.get(shard)
        if known:
            known.check(shard, stamp, count)
        unknown = known is None or known.digests is None
        digests.append(np.zeros((count, DIGEST), np.uint8) if unknown else known.digests)
    return np.concatenate(digests)


def _read(index_file, state):
    """The columns, or None where there are none for these shards."""
    try:
        kept = read_arrays(index_file, ["state", *COLUMNS])
        made_from, kinds = kept.pop("state"), [(kept[n].dtype.kind, kept[n].shape) for n in COLUMNS]
        length = kept["sample_ids"].shape[:1]
        if kinds == [(kind, length) for kind in "Siiiiii"] and parse_json(str(made_from)) == state:
            return kept
    except (RecipeError, ValueError):
        pass  # absent, damaged, or of another version
    return None


def _index_all(shards, name):
    ids, numbers = [], []
    hidden = True if len(shards) < 3 else None  # None: where nobody is watching
    bar = {"desc": f"{name} index", "unit": "shard", "disable": hidden, "leave": False}
    for number, shard in enumerate(tqdm(shards, **bar)):
        with open_shard(shard) as file:
            rows = list(read_headers(file, shard))
        ids.append(np.array([row[0].encode() for row in rows], dtype="S"))
        values = [(number, *row[1:]) for row in rows]
        numbers.append(np.array(values, dtype=np.int64).reshape(-1, len(COLUMNS) - 1))
    columns = [np.concatenate(ids), *np.concatenate(numbers).T.copy()]
    joined = dict(zip(COLUMNS, columns, strict=True))
    _check_distinct(joined, shards)
    return joined


def _check_distinct(columns, shards):
    order = np.argsort(columns["sample_ids"], kind="stable")
    ids = columns["sample_ids"][order]
    twice = np.flatnonzero(ids[1:] == ids[:-1])
    if len(twice):
        first, second = (public(shards[columns["shard"][order[twice[0] + n]]]) for n in (0, 1))
        raise RecipeError(
            f"{second}: duplicate sample_id {ids[twice[0]].decode()}, already in {first}; write "
            "the shards anew"
        )

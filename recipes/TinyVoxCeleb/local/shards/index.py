"""What the shards of a split hold, and where in them it lies: one pass over the headers.

The index is a table of numpy columns: a hundred thousand utterances take 10 MB, which processes
that are forked share. It is kept in a file, so that the pass is made once while the shards stay
as they are.

Authors
 * The TinyVoxCeleb authors 2026
"""

import collections.abc
import functools
import json
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from tqdm import tqdm

from local.atomic import atomic_file
from local.errors import RecipeError
from local.shards.headers import read_headers
from local.shards.schema import Sample
from local.shards.sources import can_be_mapped, list_shards, open_shard, stamps


@dataclass(frozen=True, eq=False)
class ShardIndex(collections.abc.Sequence):
    """The utterances of one split, in the order of the shards; a sequence of Sample.

    Arguments
    ---------
    shards : list of Path or str
        Local archives as Path, others as URL.
    sample_ids : numpy.ndarray
        "speaker/session/utterance" in UTF-8, dtype S, shape (utterances,) as all that follow.
    shard : numpy.ndarray
        Number of the shard that holds an utterance.
    offset, size : numpy.ndarray
        Where in the archive the audio file begins, and its length, in bytes.
    pcm : numpy.ndarray
        Where in the audio file its 16-bit PCM begins, in bytes; -1 where it has to be decoded.
    num_frames : numpy.ndarray
        Length in audio samples.
    class_idx : numpy.ndarray
        Class of a training speaker; -1 for those without.
    """

    shards: list
    sample_ids: np.ndarray
    shard: np.ndarray
    offset: np.ndarray
    size: np.ndarray
    pcm: np.ndarray
    num_frames: np.ndarray
    class_idx: np.ndarray

    def __len__(self):
        return len(self.sample_ids)

    def __getitem__(self, row):
        sample_id = self.sample_ids[row].decode()
        class_idx = int(self.class_idx[row])
        return Sample(sample_id, int(self.num_frames[row]), None if class_idx < 0 else class_idx)

    @functools.cached_property
    def mapped(self):
        """Whether all shards can be mapped into memory."""
        return all(can_be_mapped(shard) for shard in self.shards)

    @property
    def name(self):
        """Where the shards lie, for messages."""
        return str(self.shards[0]).rpartition("/")[0]


COLUMNS = [field.name for field in fields(ShardIndex) if field.name != "shards"]


def index_shards(source, index_file=None, shard_cache=None):
    """Read and check what the shards of one split hold, without decoding any audio.

    Arguments
    ---------
    source : str or Path
        A folder that holds shard-*.tar, or what else `list_shards` takes.
    index_file : str or Path, optional
        Where the index is kept; it is read from there while the shards are as they were.
    shard_cache : str or Path, optional
        Folder for copies of shards that are elsewhere.

    Returns
    -------
    ShardIndex

    Raises
    ------
    RecipeError
        No shards; a truncated archive; a JSON without audio or the reverse; a JSON that lacks a
        field; a sample rate other than 16 kHz; empty audio; the same sample_id twice.
    """
    shards = list_shards(source)
    state = [*map(str, shards), *stamps(shards)] if index_file else []
    columns = _read(index_file, state) if index_file else None
    if columns is None:
        columns = _index_all(shards, shard_cache, name=str(source).rstrip("/").rpartition("/")[2])
        if index_file:
            with atomic_file(index_file, "wb") as fout:
                np.savez(fout, state=np.array(json.dumps(state)), **columns)
    if not len(columns["sample_ids"]):
        raise RecipeError(f"{source}: the shards hold no samples")
    return ShardIndex(shards, **columns)


def _read(index_file, state):
    """The columns, or None where there are none for these shards."""
    try:
        with np.load(index_file, allow_pickle=False) as kept:
            if json.loads(str(kept["state"])) == state:
                return {name: kept[name] for name in COLUMNS}
    except (
        OSError,
        EOFError,
        ValueError,
        KeyError,
        zipfile.BadZipFile,
    ):  # absent, or of another version
        pass
    return None


def _index_all(shards, shard_cache, name):
    parts = []
    for number, shard in enumerate(
        tqdm(shards, desc=f"{name} index", unit="shard", disable=len(shards) < 3, leave=False)
    ):
        with open_shard(shard, shard_cache) as file:
            rows = list(read_headers(file, shard, streamed=not can_be_mapped(shard)))
        columns = dict(zip(COLUMNS, ([], [], [], [], [], [], []), strict=True))
        if rows:
            ids, *numbers = zip(*rows, strict=True)
            columns = {
                "sample_ids": [sample_id.encode() for sample_id in ids],
                "shard": [number] * len(rows),
                **dict(zip(COLUMNS[2:], numbers, strict=True)),
            }
        parts.append(
            {key: np.array(value, _dtype(key, bool(rows))) for key, value in columns.items()}
        )
    joined = {key: np.concatenate([part[key] for part in parts]) for key in COLUMNS}
    _check_distinct(joined, shards)
    return joined


def _dtype(column, any_rows):
    if column == "sample_ids":
        return None if any_rows else "S1"
    return np.int32 if column == "shard" else np.int64


def _check_distinct(columns, shards):
    order = np.argsort(columns["sample_ids"], kind="stable")
    ids = columns["sample_ids"][order]
    twice = np.flatnonzero(ids[1:] == ids[:-1])
    if len(twice):
        first, second = (Path(shards[columns["shard"][order[twice[0] + n]]]) for n in (0, 1))
        raise RecipeError(
            f"{second}: duplicate sample_id {ids[twice[0]].decode()}, already in {first.name}; "
            "write the shards anew"
        )

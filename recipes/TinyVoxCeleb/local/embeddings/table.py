"""Embeddings as a table, one row an utterance: in memory, and as npz, which needs no pickle."""

import collections
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from local.bundle import checkpoint_digest, find_bundle
from local.errors import RecipeError, first_of
from local.files import atomic_file
from local.layout import utterance_key
from local.shards.arrays import read_arrays
from local.stored import check_file, parse_json


@dataclass(frozen=True)
class Embeddings:
    """Utterances and their embeddings.

    Arguments
    ---------
    ids
        As trial lists name them, in the order of the shards.
    vectors
        Shape (utterances, dim), float32.
    num_frames
        Length of each utterance in audio samples, shape (utterances,), int64.
    about
        What they were made of: the digest of the checkpoint, the shards and theirs, the precision.

    Example
    -------
    >>> vectors = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    >>> embeddings = Embeddings(["a/x/0", "d045"], vectors, np.array([16000, 8000]), {})
    >>> embeddings.rows(["eval/wav/d045", "a/x/0.wav", "d045"])
    array([1, 0, 1])
    """

    ids: list[str]
    vectors: np.ndarray
    num_frames: np.ndarray
    about: dict

    def __len__(self):
        return len(self.ids)

    def rows(self, names: Iterable[str], where: str = "") -> np.ndarray:
        """The rows (int64) of utterances, with or without ".wav" and "eval/wav/" in their names.

        Raises
        ------
        RecipeError
            Utterances that are not here: how many, and the first five; one that may be two of
            these, as of files in two folders. `where` tells what named them, such as the path of a
            trial list.
        """
        known, others = {}, {}
        for row, key in enumerate(map(utterance_key, self.ids)):
            if known.setdefault(key, row) != row:
                others[key] = row
        names = list(names)
        keys = [utterance_key(name) for name in names]
        if double := next((key for key in keys if key in others), None) if others else None:
            raise RecipeError(
                f"{where + ': ' if where else ''}{double} may be {self.ids[known[double]]} or "
                f"{self.ids[others[double]]}: name embeddings of one of their folders, or the audio"
            )
        rows = [known.get(key, -1) for key in keys]
        if -1 in rows:
            absent = [name for name, row in zip(names, rows, strict=True) if row < 0]
            absent = list(dict.fromkeys(absent))
            raise RecipeError(
                f"{where + ': ' if where else ''}{len(absent)} utterances are in no shard, first "
                f"{first_of(absent)}; name the shards that hold them, or mend the list"
            )
        return np.array(rows, dtype=np.int64)

    def check(self, where: str | Path) -> "Embeddings":
        """Return these embeddings if they can be scored; `where` tells what holds them.

        Raises
        ------
        RecipeError
            The same id twice; an embedding that is not finite, or zero throughout.
        """
        double = [key for key, count in collections.Counter(self.ids).items() if count > 1]
        if double:
            raise RecipeError(
                f"{where}: {len(double)} ids come twice, first {first_of(double)}: expected "
                "each utterance once; write the shards anew"
            )
        finite = np.isfinite(self.vectors).all(axis=1)
        if not finite.all():
            bad = [self.ids[row] for row in np.flatnonzero(~finite)]
            raise RecipeError(
                f"{where}: {len(bad)} embeddings are not finite, e.g. {first_of(bad)}: the "
                "network has diverged; train with a lower learning_rate"
            )
        zero = ~self.vectors.any(axis=1)
        if zero.any():
            bad = [self.ids[row] for row in np.flatnonzero(zero)]
            raise RecipeError(
                f"{where}: {len(bad)} of {len(self)} embeddings are zero throughout, e.g. "
                f"{first_of(bad)}: they are like none and tell nothing; make them anew, or leave "
                "these utterances out"
            )
        return self


def check_distinct(folders: Iterable[tuple[list[str], str | Path]]) -> None:
    """Check that no utterance is in two folders, given by the ids in each and its name."""
    homes = {}
    for ids, home in folders:
        for key in ids:
            if homes.setdefault(key, home) != home:
                raise RecipeError(
                    f"{key} is in both {homes[key]} and {home}: name only one of them, or score "
                    "them in two calls"
                )


def join(parts: list[Embeddings]) -> Embeddings:
    """Put the embeddings of several folders together, of at least one.

    Raises
    ------
    RecipeError
        An id in two of them; embeddings of different networks or precisions.
    """
    if len(parts) == 1:
        return parts[0]
    homes = [(part.about.get("shards") or [{}])[0].get("path", "a file") for part in parts]
    check_distinct((part.ids, home) for part, home in zip(parts, homes, strict=True))
    made_with = {key: value for key, value in parts[0].about.items() if key != "shards"}
    for part in parts:
        if {key: value for key, value in part.about.items() if key != "shards"} != made_with:
            raise RecipeError(
                "embeddings of different checkpoints or precisions cannot stand in one table: "
                "make them anew with one checkpoint and one --precision"
            )
    return Embeddings(
        [key for part in parts for key in part.ids],
        np.concatenate([part.vectors for part in parts]),
        np.concatenate([part.num_frames for part in parts]),
        {**made_with, "shards": [s for part in parts for s in part.about.get("shards", [])]},
    )


def write_embeddings(path: str | Path, embeddings: Embeddings) -> None:
    """Write embeddings as the arrays `ids`, `vectors`, `num_frames`, and `about` as JSON text.

    The same embeddings give the same bytes.
    """
    with atomic_file(path, "wb") as fout:
        np.savez(
            fout,
            ids=np.array(embeddings.ids, dtype=np.str_),
            vectors=embeddings.vectors,
            num_frames=embeddings.num_frames,
            about=np.array(json.dumps(embeddings.about, sort_keys=True)),
        )


def read_about(path: str | Path) -> dict | None:
    """What embeddings were made of, without reading them; None if damaged or something else."""
    try:
        about = parse_json(str(read_arrays(path, ["about"])["about"]))
    except (RecipeError, ValueError):
        return None
    shards = about.get("shards", []) if isinstance(about, dict) else None
    if not isinstance(shards, list) or not all(map(_is_record, shards)):
        return None
    return about


def _is_record(shard):
    """Whether this may be what the cache tells of a shard."""
    simple = str | int | None
    return isinstance(shard, dict) and all(isinstance(value, simple) for value in shard.values())


def read_embeddings(path: str | Path, checkpoint: str | Path | None = None) -> Embeddings:
    """Read embeddings, and check them.

    `checkpoint` is the output folder of the run, or its inference folder, whose embeddings they are
    to be.

    Raises
    ------
    RecipeError
        No such file; damaged, or not embeddings; of another checkpoint; see `Embeddings.check`.

    Example
    -------
    >>> path = getfixture("tmp_path") / "embeddings.npz"
    >>> vectors = np.ones((2, 3), np.float32)
    >>> write_embeddings(path, Embeddings(["a/x/0", "b/y/0"], vectors, np.array([8, 9]), {}))
    >>> read_embeddings(path).ids
    ['a/x/0', 'b/y/0']
    """
    check_file(path, "file of embeddings")
    names = ("ids", "vectors", "num_frames", "about")
    what = "not embeddings as python -m local.embeddings writes them"
    ids, vectors, frames, _ = read_arrays(path, names, what).values()
    about = read_about(path)
    whole = vectors.shape[:1] == frames.shape == ids.shape and vectors.ndim == 2
    whole = whole and (ids.dtype.kind, frames.dtype.kind, vectors.dtype) == (*"Ui", np.float32)
    if not whole or about is None:
        raise RecipeError(
            f"{path}: {ids.size} ids, vectors {vectors.shape} {vectors.dtype}, "
            f"lengths {frames.shape} {frames.dtype}, {'no ' if about is None else ''}about: "
            "expected one float32 row each; make it anew"
        )
    embeddings = Embeddings(ids.tolist(), vectors, frames, about)
    if checkpoint is not None:
        found = embeddings.about.get("checkpoint")
        expected = checkpoint_digest(find_bundle(checkpoint))
        if found != expected:
            raise RecipeError(
                f"{path}: belongs to another checkpoint ({str(found)[:12]}, that of {checkpoint} "
                f"is {expected[:12]}); name its own, or make the embeddings anew"
            )
    return embeddings.check(path)

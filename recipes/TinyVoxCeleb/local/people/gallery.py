"""The people that a network has been introduced to, in one file."""

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from local.errors import RecipeError
from local.files import atomic_file, exclusive
from local.people.voices import ARRAYS, Voices, merge
from local.shards.arrays import read_arrays

KINDS = {"vectors": "f4", "speech": "f4", "num_frames": "i8", "recordings": "i8"}


class Gallery(NamedTuple):
    """Who is enrolled, and the digest of the network that has heard them."""

    people: Voices
    network: str


def read_gallery(path: str | Path, digest: str | None = None) -> Voices:
    """Read the people of a gallery, which the network with this digest, if any, has to have made.

    Raises
    ------
    RecipeError
        No such file; it is damaged, or something else; another network has made it; nobody is in
        it.
    """
    if not Path(path).is_file():
        raise RecipeError(f"{path}: no such gallery; `speakers.py enrol NAME FILES` makes one")
    gallery = _read(Path(path))
    _check_network(path, gallery.network, digest)
    if not len(gallery.people):
        raise RecipeError(f"{path}: nobody is enrolled; `speakers.py enrol NAME FILES` does it")
    return gallery.people


def enrolled_names(path: str | Path, digest: str) -> list[str]:
    """Who is in a gallery that this network is to add to; nobody where there is none yet."""
    if not Path(path).exists():
        return []
    gallery = _read(Path(path))
    _check_network(path, gallery.network, digest)
    return gallery.people.names


@contextlib.contextmanager
def changed_gallery(path: str | Path, digest: str | None = None) -> Iterator[dict[str, Voices]]:
    """Change a gallery, alone: others wait.

    Yields the people by name, one row each; what the dictionary holds at the end of the block is
    left in the file, whole or not at all. A file that is not there is made, for the network with
    this digest, which has to be given then.

    Raises
    ------
    RecipeError
        See `read_gallery`.
    """
    path = Path(path)
    with exclusive(path.with_name(f".{path.name}.lock")):
        people = {}
        if path.exists() or digest is None:
            if not path.is_file():
                raise RecipeError(f"{path}: no such gallery")
            found, network = _read(path)
            _check_network(path, network, digest)
            people = {name: found.rows([row]) for row, name in enumerate(found.names)}
        yield people
        rows = list(people.values())
        arrays = {
            key: np.concatenate([getattr(row, key) for row in rows] or [[]]) for key in ARRAYS
        }
        if not rows:
            arrays["vectors"] = np.zeros((0, 0))
        with atomic_file(path, "wb") as fout:
            np.savez(
                fout,
                names=np.array(list(people), dtype=np.str_),
                network=np.array(digest or network),
                **{key: value.astype(KINDS[key]) for key, value in arrays.items()},
            )


def check_new(path: str | Path, name: str, names: Collection[str], replaced: bool = False) -> None:
    """Check that a name can be enrolled: a RecipeError if it is, and is not to be `replaced`."""
    if not name.strip() or not name.isprintable() or name in ("unknown", "nobody"):
        raise RecipeError(f"NAME {name!r}: expected the name of somebody")
    if name in names and not replaced:
        raise RecipeError(
            f"{path}: {name} is enrolled already: give --add to add to what was heard, --replace "
            "to forget it, or another name"
        )


def enrol(
    path: str | Path, digest: str, voice: Voices, *, add: bool = False, replace: bool = False
) -> tuple[Voices, int]:
    """Put somebody, one row with a name, into a gallery; gives its row and how many there are.

    Of a name that is there already, what was heard is added to, or replaced.

    Raises
    ------
    RecipeError
        See `check_new` and `changed_gallery`.
    """
    (name,) = voice.names
    with changed_gallery(path, digest) as people:
        check_new(path, name, people, replaced=add or replace)
        if add and name in people:
            voice = merge(name, [people[name], voice])
        people[name] = voice
    return voice, len(people)


def _check_network(path, network, digest):
    if digest is not None and network != digest:
        raise RecipeError(
            f"{path}: made by another network ({network[:12]}, this one is {digest[:12]}): give "
            "that one as --checkpoint, or enrol these people anew in another gallery"
        )


def _read(path):
    what = "not a gallery as `speakers.py enrol` writes it"
    arrays = read_arrays(path, ["names", "network", *ARRAYS], what)
    names, network = arrays.pop("names"), str(arrays.pop("network"))
    whole = names.dtype.kind == "U" and names.ndim == 1 and arrays["vectors"].ndim == 2
    whole &= all(array.dtype == KINDS[key] for key, array in arrays.items())
    whole = whole and all(array.shape[:1] == names.shape for array in arrays.values())
    whole = whole and all(np.isfinite(array).all() for array in arrays.values())
    whole = whole and (arrays["speech"] > 0).all() and all(arrays["vectors"].any(axis=1))
    if not whole or len(set(names.tolist())) < len(names):
        raise RecipeError(f"{path}: damaged, or {what}; put a copy in its place, or enrol anew")
    return Gallery(Voices(names.tolist(), **arrays), network)

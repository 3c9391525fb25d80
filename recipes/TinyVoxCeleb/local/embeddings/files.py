"""Embeddings in a file: npz, which NumPy reads without pickle."""

import json
import zipfile
import zlib
from pathlib import Path

import numpy as np

from local.embeddings.content import checkpoint_digest, find_bundle
from local.embeddings.table import Embeddings
from local.errors import RecipeError
from local.files import atomic_file

# What numpy.load raises for files that are cut off, altered (a bit in a header of the archive means
# another compression or a password) or something else, such as a file with a single array.
UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError),
    *(KeyError, ValueError, AttributeError, TypeError),
)


def write_embeddings(path, embeddings):
    """Write embeddings; the same embeddings give the same bytes.

    Arguments
    ---------
    path : str or Path
        It gets the arrays `ids`, `vectors`, `num_frames`, and `about` as JSON text.
    embeddings : Embeddings
    """
    with atomic_file(path, "wb") as fout:
        np.savez(
            fout,
            ids=np.array(embeddings.ids, dtype=np.str_),
            vectors=embeddings.vectors,
            num_frames=embeddings.num_frames,
            about=np.array(json.dumps(embeddings.about, sort_keys=True)),
        )


def read_about(path):
    """What embeddings were made of, without reading them.

    Arguments
    ---------
    path : str or Path

    Returns
    -------
    dict or None
        None if the file is damaged or something else.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            about = json.loads(str(arrays["about"]))
    except UNREADABLE:
        return None
    return about if isinstance(about, dict) else None


def read_embeddings(path, checkpoint=None):
    """Read embeddings, and check them.

    Arguments
    ---------
    path : str or Path
    checkpoint : str or Path, optional
        Output folder of the run, or its inference folder, whose embeddings they are to be.

    Returns
    -------
    Embeddings

    Raises
    ------
    RecipeError
        No such file; damaged, or not embeddings; of another checkpoint; the same id twice; not
        finite.

    Example
    -------
    >>> path = getfixture("tmp_path") / "embeddings.npz"
    >>> vectors = np.ones((2, 3), np.float32)
    >>> write_embeddings(path, Embeddings(["a/x/0", "b/y/0"], vectors, np.array([8, 9]), {}))
    >>> read_embeddings(path).ids
    ['a/x/0', 'b/y/0']
    """
    if not Path(path).is_file():
        raise RecipeError(f"{path}: no such file of embeddings")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            embeddings = Embeddings(
                arrays["ids"].tolist(),
                arrays["vectors"],
                arrays["num_frames"],
                json.loads(str(arrays["about"])),
            )
        vectors, frames = embeddings.vectors, embeddings.num_frames
        whole = vectors.shape[:1] == frames.shape == (len(embeddings),) and vectors.ndim == 2
    except UNREADABLE as error:
        raise RecipeError(
            f"{path}: damaged, or not embeddings as python -m local.embeddings writes them "
            f"({error}); make it anew"
        ) from None
    if not whole or vectors.dtype != np.float32:
        raise RecipeError(
            f"{path}: {len(embeddings)} ids, vectors {vectors.shape} {vectors.dtype}, lengths "
            f"{frames.shape}: expected one float32 row each; make it anew"
        )
    if checkpoint is not None:
        found = embeddings.about.get("checkpoint")
        expected = checkpoint_digest(find_bundle(checkpoint))
        if found != expected:
            raise RecipeError(
                f"{path}: belongs to another checkpoint ({str(found)[:12]}, that of {checkpoint} "
                f"is {expected[:12]}); name its own, or make the embeddings anew"
            )
    return embeddings.check(path)

"""Sound of recordings that were scored as they lie in a folder, where they have not changed."""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile as sf

from local.corpora.named_files import NamedFiles
from local.embeddings.plain_audio import read_begin
from local.errors import RecipeError
from local.report.runs import ScoredRun
from local.shards.arrays import read_arrays


class Recording(NamedTuple):
    """A file of audio, by its path."""

    path: str


def find_files(run: ScoredRun, names: list[str]) -> dict[str, Recording]:
    """The recordings of the folder that a run was scored on, by the names given.

    Those that are gone are left out, as what is kept may tell of more than was scored.

    Raises
    ------
    RecipeError
        No such folder, none of them in it, or one that is not what was scored.
    """
    folder = run.results.audio_folder
    found = NamedFiles(folder).find(names)
    if names and not found:
        raise RecipeError(f"{folder}: the recordings that were scored are not there any more")
    kept = _digests(run)
    for file in found.values():
        path = os.path.join(folder, file.path)
        before = kept.get(os.path.normpath(file.path))
        if before is not None and before != _digest(path):
            raise RecipeError(f"{path} is not what was scored: it has changed; score the run again")
    return {name: Recording(os.path.join(folder, file.path)) for name, file in found.items()}


def begin_of(recording: Recording, num_frames: int) -> np.ndarray | None:
    """The begin of a recording as 16-bit samples; None where it cannot be decoded any more."""
    try:
        return read_begin(Path(recording.path), num_frames)
    except (OSError, RecipeError, sf.SoundFileError, ValueError):
        return None


def _digests(run) -> dict[str, bytes]:
    """The sha256 of the files whose embeddings are kept, by their paths in the folder."""
    found = {}
    for path in filter(Path.is_file, run.embedding_files):
        kept = read_arrays(path, ["files", "digests"])
        names = map(os.fsdecode, kept["files"].tolist())
        found |= dict(zip(names, map(bytes, kept["digests"]), strict=True))
    return found


def _digest(path):
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror})") from None

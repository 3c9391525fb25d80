"""Embeddings of audio files that lie beside the run that made them, found again by content."""

import dataclasses
import hashlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from local.bundle import checkpoint_digest
from local.bundle.windows import MAX_FRAMES
from local.corpora.named_files import stem_of
from local.embeddings.cache import DIGITS, FORMAT, keeping
from local.embeddings.plain_audio import Stamp
from local.embeddings.table import read_about
from local.errors import RecipeError
from local.files import atomic_file, exclusive, remove_leftovers
from local.shards.arrays import read_arrays

DIGEST = 32  # bytes of a sha256


@dataclass(frozen=True)
class FileTable:
    """Audio files of one folder and their embeddings, one row each."""

    files: np.ndarray  # paths within the folder, as the system has them, dtype S
    stamps: np.ndarray  # int64 (files, 3), see `Stamp`
    digests: np.ndarray  # uint8 (files, 32), sha256 of their bytes
    vectors: np.ndarray  # float32 (files, dim)
    num_frames: np.ndarray  # int64 (files,), audio samples at 16 kHz

    def __len__(self):
        return len(self.files)

    def keys(self) -> list[bytes]:
        """The digest of each file."""
        return [row.tobytes() for row in self.digests]

    def is_whole(self) -> bool:
        """Whether the columns belong together."""
        count, kinds = len(self.files), [value.dtype.kind for value in vars(self).values()]
        shapes = [value.shape[1:] for value in vars(self).values()]
        return (
            all(len(value) == count for value in vars(self).values())
            and kinds == list("Siufi")
            and shapes == [(), (len(Stamp._fields),), (DIGEST,), self.vectors.shape[1:], ()]
            and self.vectors.ndim == 2
            and bool(np.isfinite(self.vectors).all())
        )


def make_table(rows: dict[str, tuple[Stamp, bytes, np.ndarray, int]]) -> FileTable:
    """A table of files: the stamp, see `lasting`, digest, vector and length of each."""
    stamps, digests, vectors, lengths = zip(*rows.values(), strict=True)
    return FileTable(
        np.array([os.fsencode(path) for path in rows]),
        np.array(stamps, np.int64),
        np.frombuffer(b"".join(digests), np.uint8).reshape(-1, DIGEST),
        np.array(vectors, np.float32),
        np.array(lengths, np.int64),
    )


class KeptFiles:
    """What is kept of the audio files of a folder: RUN/embeddings/FOLDER-DIGEST.npz.

    A file is known by the digest of its bytes, also under another name and in another folder; the
    digest is known without reading the file while its path, size and times are those of before.

    Arguments
    ---------
    bundle
        Inference folder of the run.
    folder
        Of the audio.
    precision
        "fp32", "bf16" or "fp16".
    """

    def __init__(self, bundle: Path, folder: str | Path, precision: str):
        run = bundle.parent if bundle.name == "inference" else bundle
        place = os.path.realpath(folder)
        made_with = {
            "format": FORMAT,
            "checkpoint": checkpoint_digest(bundle),
            "precision": precision,
            "max_frames": MAX_FRAMES,
        }
        self.about = {**made_with, "audio_folder": place}
        key = json.dumps(self.about, sort_keys=True)
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]
        self._folder = run / "embeddings"
        self.path = self._folder / f"{Path(place).name}-{digest}.npz"
        self.known: dict[str, tuple[Stamp, bytes]] = {}  # of the files of this folder
        self.vectors: dict[bytes, tuple[np.ndarray, int]] = {}  # and lengths, by digests
        remove_leftovers(self._folder)
        for path in sorted(self._folder.glob(f"*-{'[0-9a-f]' * DIGITS}.npz")):
            about = read_about(path) or {}
            if "audio_folder" not in about or about.get("checkpoint") != made_with["checkpoint"]:
                continue
            table = self._read(path)
            if table is None:
                continue
            keys = table.keys()
            if about["audio_folder"] == place:
                stamps = map(Stamp._make, table.stamps.tolist())
                names = map(os.fsdecode, table.files.tolist())
                self.known.update(zip(names, zip(stamps, keys, strict=True), strict=True))
            if {key: about.get(key) for key in made_with} == made_with:
                rows = zip(table.vectors, table.num_frames.tolist(), strict=True)
                self.vectors.update(zip(keys, rows, strict=True))

    def digest(self, path: str, stamp: Stamp) -> bytes | None:
        """The digest of a file of the folder with this stamp, where it is known."""
        known = self.known.get(path)
        return known[1] if known and known[0] == stamp else None

    def store(self, table: FileTable) -> None:
        """Keep the embeddings of files, beside those that are kept, by another process perhaps.

        Where that cannot be, a line on stderr says so.
        """
        lock = self._folder / f".{self.path.name}.lock"
        with keeping(self._folder, self.about["checkpoint"]), exclusive(lock):
            before = self._read(self.path, told=True) if self.path.exists() else None
            if before is not None and before.vectors.shape[1] == table.vectors.shape[1]:
                rows = ~np.isin(before.files, table.files)
                pairs = zip(vars(before).values(), vars(table).values(), strict=True)
                table = FileTable(*(np.concatenate([a[rows], b]) for a, b in pairs))
            self._write(table)

    def _write(self, table):
        order = np.argsort(table.files)
        table = FileTable(*(column[order] for column in vars(table).values()))
        ids = [stem_of(os.fsdecode(path)) for path in table.files.tolist()]
        about = np.array(json.dumps(self.about, sort_keys=True))
        with atomic_file(self.path, "wb") as fout:
            np.savez(fout, ids=np.array(ids, np.str_), about=about, **vars(table))

    def _read(self, path, told=False):
        """What is kept in a file; None where it is damaged, as a line on stderr tells once."""
        names = [field.name for field in dataclasses.fields(FileTable)]
        try:
            table = FileTable(**read_arrays(path, names, "not embeddings of audio files"))
            if not table.is_whole():
                raise RecipeError(f"{path}: damaged: its columns do not belong together")
            return table
        except RecipeError as error:
            if not told:
                print(f"embedding once more, as the cache cannot be used: {error}", file=sys.stderr)
            return None

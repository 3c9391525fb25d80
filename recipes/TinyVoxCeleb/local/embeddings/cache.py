"""Embeddings that lie beside the run that made them, found again by content."""

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

from local.bundle.windows import MAX_FRAMES
from local.embeddings.content import (
    checkpoint_digest,
    shard_records,
    shard_states,
)
from local.embeddings.files import read_about, read_embeddings, write_embeddings
from local.errors import RecipeError
from local.shards import list_shards

SHOWN = ("path", "size", "sha256")
DIGITS = 16  # of the digest in a file's name
FORMAT = 1  # to be raised when embeddings are computed or stored in another way


class EmbeddingCache:
    """The file that holds, or is to hold, the embeddings of one folder of shards.

    It is RUN/embeddings/FOLDER-DIGEST.npz, where DIGEST is made of the contents of the checkpoint
    and of the shards, so it serves shards that were copied or moved, and never serves others that
    have the same names, ids, lengths and sizes.

    Arguments
    ---------
    bundle : Path
        Inference folder of a run.
    shard_folder : str or Path
    precision : str
        "fp32", "bf16" or "fp16".

    Raises
    ------
    RecipeError
        There are no shards.
    """

    def __init__(self, bundle, shard_folder, precision):
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

    def find(self):
        """The embeddings, if they are there.

        Returns
        -------
        Embeddings or None
            None as well if the file is damaged; a line on stderr says so.
        """
        if not self.path.exists():
            return None
        try:
            found = read_embeddings(self.path)
            if _key(found.about) != _key(self.about):
                raise RecipeError(f"{self.path}: holds other embeddings than its name tells")
        except (RecipeError, KeyError) as error:
            print(f"embedding once more, as the cache cannot be used: {error}", file=sys.stderr)
            return None
        moved = found.about["shards"] != self.records
        found = replace(found, about=self.about)
        if moved:  # or touched: remember where they are now
            self.store(found)
        return found

    def store(self, embeddings):
        """Keep embeddings for later calls; where that cannot be, a line on stderr says so.

        Those of a network that has been replaced since go: nothing would ever find them.

        Arguments
        ---------
        embeddings : Embeddings
        """
        try:
            about = {**self.about, "shards": self.records}
            write_embeddings(self.path, replace(embeddings, about=about))
            for path in self.folder.glob(f"*-{'[0-9a-f]' * DIGITS}.npz"):
                of_network = (read_about(path) or {}).get("checkpoint")
                if of_network not in (None, self.about["checkpoint"]):
                    path.unlink(missing_ok=True)
        except OSError as error:
            print(
                f"{self.folder}: cannot be written ({error.strerror}): the embeddings are not kept "
                "for later calls",
                file=sys.stderr,
            )

    def check_unchanged(self):
        """Check that the shards are still those whose content is known.

        Raises
        ------
        RecipeError
            Somebody has written to them meanwhile.
        """
        for record, state in zip(self.records, shard_states(self.shards), strict=True):
            if any(record[key] not in (state[key], None) for key in state):
                raise RecipeError(
                    f"{state['path']}: changed while it was read; start again when it is complete"
                )


def _key(about):
    return {**about, "shards": [record["sha256"] for record in about["shards"]]}

"""Embeddings of recordings in a file of one of three kinds."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from local.embeddings.table import Embeddings, write_embeddings
from local.errors import RecipeError
from local.files import atomic_file
from local.layout import SAMPLE_RATE

KINDS = (".npz", ".csv", ".json")


def check_kind(path: str) -> None:
    """Check, before anything long, that a table of this name can be written."""
    if Path(path).suffix.lower() not in KINDS:
        raise RecipeError(f"--out {path}: expected a name that ends in {', '.join(KINDS)}")


def write_table(path: str, paths: Sequence, embedded: Sequence, digest: str) -> None:
    """Write the embeddings of recordings, with what the recordings are like.

    Arguments
    ---------
    path
        Of the table; .npz is as `local.embeddings` writes it, so that trials can be scored with it.
    paths, embedded
        Of each recording, and what `SpeakerEncoder.embed` gives for it alone.
    digest
        Of the network.
    """
    names, vectors = list(map(str, paths)), np.concatenate([one.vectors for one in embedded])
    frames = np.concatenate([one.num_frames for one in embedded])
    if path.lower().endswith(".npz"):
        about = {"checkpoint": digest, "precision": "fp32", "shards": []}
        write_embeddings(path, Embeddings(names, vectors, frames.astype(np.int64), about))
        return
    rows = [
        {
            "recording": name,
            "seconds": round(int(one.num_frames[0]) / SAMPLE_RATE, 3),
            "speech": round(float(one.speech[0]), 3),
            "level": float(one.level[0]),
            "snr": round(float(one.snr[0]), 1) if np.isfinite(one.snr[0]) else None,
        }
        for name, one in zip(names, embedded, strict=True)
    ]
    text = io.StringIO(newline="")
    if path.lower().endswith(".csv"):
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*rows[0], *(f"e{number}" for number in range(vectors.shape[1]))])
        writer.writerows([*row.values(), *v.tolist()] for row, v in zip(rows, vectors, strict=True))
    else:
        both = zip(rows, vectors, strict=True)
        rows = [{**row, "embedding": vector.tolist()} for row, vector in both]
        json.dump({"network": digest, "recordings": rows}, text, indent=1, allow_nan=False)
        text.write("\n")
    with atomic_file(path) as fout:
        fout.write(text.getvalue())

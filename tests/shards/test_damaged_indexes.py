"""A damaged index or manifest: passed over and made anew, or told; never other utterances."""

import json
import os

import numpy as np
import pytest

from damaging import BYTES, ODD_VALUES, odd_value, rounds, watched
from local.shards import index_shards, list_shards, stage_shards
from local.shards.complete import MANIFEST, write_manifest
from local.shards.index import COLUMNS
from shard_writing import original_layout


def columns(index):
    return [getattr(index, name).tolist() for name in COLUMNS]


def other_arrays(rng, data, path):
    """Arrays of other shapes and kinds, or fewer of them; the rest is as it was."""
    with np.load(io.BytesIO(data)) as arrays:
        arrays = dict(arrays)
    name = rng.choice(sorted(arrays))
    odd = [np.zeros(3), np.zeros((7, 2), np.int64), np.array("[]"), np.array(["x"] * 7)]
    odd += [arrays[name][..., None], np.zeros(0, np.int64)]
    if rng.random() < 0.2:
        del arrays[name]
    else:
        arrays[name] = rng.choice(odd)
    return saved(arrays)


def saved(arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def huge_shape(rng, data):
    """An array is said to have more than there is, and its checksum is right."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        chosen = rng.choice(old.namelist())
        for name in old.namelist():
            content = old.read(name)
            if name == chosen:
                shape = rng.choice([b"(1000000000,)", b"(99999999999999999999,)", b"(-1,)", b"(1,)"])
                content = re.sub(rb"\([\d, ]*\), }( *)", shape + rb", }\1", content)
            new.writestr(name, content)
    return file.getvalue()

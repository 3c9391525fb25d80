"""A damaged index or manifest: passed over and made anew, or told; never other utterances."""

import os

import pytest

from damaging import ARRAYS, JSONS, read_watched, rounds, watched
from local.shards import index_shards, list_shards
from local.shards.complete import MANIFEST, Told, write_manifest
from local.shards.index import COLUMNS
from shard_writing import original_layout


def columns(index):
    return [getattr(index, name).tolist() for name in COLUMNS]


@pytest.mark.parametrize("damage", ARRAYS)
def test_damaged_indexes(tmp_path, damage):
    original_layout(tmp_path / "data")
    path = tmp_path / "index.npz"
    fresh = columns(index_shards(tmp_path / "data", path))
    whole = path.read_bytes()
    for rng in rounds("shard index", damage, ARRAYS):
        path.write_bytes(damage(rng, whole))
        with watched(tmp_path) as errors:
            assert columns(index_shards(tmp_path / "data", path)) == fresh
            assert columns(index_shards(tmp_path / "data", path)) == fresh
        assert not errors


def test_an_index_that_is_a_pipe(tmp_path):
    original_layout(tmp_path / "data")
    os.mkfifo(tmp_path / "index.npz")
    with watched(tmp_path) as errors:
        assert len(index_shards(tmp_path / "data", tmp_path / "index.npz")) == 7
    assert not errors and (tmp_path / "index.npz").is_file()


@pytest.mark.parametrize("damage", JSONS)
def test_damaged_manifests(tmp_path, damage):
    original_layout(tmp_path, counts=(1, 1, 1))
    shards = sorted(tmp_path.glob("*.tar"))
    write_manifest(tmp_path, [Told(shard.name, 1) for shard in shards])
    path = tmp_path / MANIFEST
    whole = path.read_bytes()
    for rng in rounds("manifest", damage, JSONS):
        path.write_bytes(damage(rng, whole))
        found = read_watched(list_shards, tmp_path)
        assert found in (None, shards)


def test_a_manifest_that_is_a_pipe_or_a_folder(tmp_path):
    original_layout(tmp_path, counts=(1, 1))
    for make in (os.mkfifo, os.mkdir):
        make(tmp_path / MANIFEST)
        with watched(tmp_path) as errors:
            list_shards(tmp_path)
        assert len(errors) == 1
        (os.unlink if make is os.mkfifo else os.rmdir)(tmp_path / MANIFEST)

"""A damaged index, manifest or note: passed over, made anew or told; never other utterances."""

import os

import pytest

from damaging import ARRAYS, JSONS, read_watched, thrown, watched
from local.errors import RecipeError
from local.shards import index_shards, list_shards, stage_shards
from local.shards.complete import MANIFEST, ManifestEntry, write_manifest
from local.shards.copying import note_of
from local.shards.index import COLUMNS
from local.shards.listing import find_shards
from local.shards.remote import NotReached
from shard_writing import original_layout


def columns(index):
    return [getattr(index, name).tolist() for name in COLUMNS]


@thrown(ARRAYS, "shard index")
def test_damaged_indexes(tmp_path, rounds):
    original_layout(tmp_path / "data")
    path = tmp_path / "index.npz"
    fresh = columns(index_shards(tmp_path / "data", path))
    whole = path.read_bytes()
    for rng in rounds:
        path.write_bytes(rounds.damage(rng, whole))
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


@thrown(JSONS, "manifest")
def test_damaged_manifests(tmp_path, rounds):
    original_layout(tmp_path, counts=(1, 1, 1))
    shards = sorted(tmp_path.glob("*.tar"))
    write_manifest(tmp_path, [ManifestEntry(shard.name, 1) for shard in shards])
    path = tmp_path / MANIFEST
    whole = path.read_bytes()
    for rng in rounds:
        path.write_bytes(rounds.damage(rng, whole))
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


@thrown(JSONS, "note of a copy", "note of the folder")
def test_damaged_notes_of_copies(tmp_path, monkeypatch, rounds):
    """With a server that answers, and with one that does not, where the folder's note is asked."""
    original_layout(tmp_path / "data", counts=(1, 1))
    folder = tmp_path / "copies"
    first = stage_shards(tmp_path / "data", folder)[0]
    whole = {path: path.read_bytes() for path in (note_of(first), note_of(folder))}
    note = note_of(first if rounds.kind == "note of a copy" else folder)
    for rng in rounds:
        for find in (find_shards, not_reached):
            monkeypatch.setattr("local.shards.copies.find_shards", find)
            for path, content in whole.items():
                path.write_bytes(content)
            note.write_bytes(rounds.damage(rng, note.read_bytes()))
            with watched(tmp_path) as errors:
                shards = stage_shards(tmp_path / "data", folder)
            if not errors:
                assert [path.name for path in shards] == [path.name for path in list_shards(folder)]
            for shard in list_shards(tmp_path / "data"):
                assert (folder / shard.name).read_bytes() == shard.read_bytes()


def not_reached(source):
    raise NotReached(f"{source}: cannot be read, after 5 attempts; try again")


@pytest.mark.parametrize("content", ["", "[]", "[" * 9999, "null", '{"source": [[]]}', "\0", "1"])
def test_a_note_that_tells_nothing(tmp_path, content):
    original_layout(tmp_path / "data")
    for path in stage_shards(tmp_path / "data", tmp_path / "copies"):
        note_of(path).write_text(content)
        with pytest.raises(RecipeError, match="was not copied there from .*, as far as its note"):
            stage_shards(tmp_path / "data", tmp_path / "copies")

"""Damaged embeddings: refused or made anew, never other vectors."""

import numpy as np

from damaging import ARRAYS, other_arrays, read_watched, thrown, watched
from embedding_runs import make_run, make_shards
from local.embeddings import Embeddings, read_embeddings, write_embeddings
from local.embeddings.cache import EmbeddingCache

IDS = [f"s{number % 3}/ü/{number}" for number in range(7)]
VECTORS = np.random.default_rng(0).normal(size=(7, 16)).astype(np.float32)
FRAMES = np.arange(16000, 16007)


def check(found, damage):
    assert found.vectors.shape[:1] == found.num_frames.shape == (len(found.ids),)
    assert found.vectors.dtype == np.float32 and np.isfinite(found.vectors).all()
    if damage is not other_arrays:
        assert found.ids == IDS and np.array_equal(found.vectors, VECTORS)
        assert np.array_equal(found.num_frames, FRAMES)


@thrown(ARRAYS, "embeddings")
def test_damaged_embeddings(tmp_path, rounds):
    path = tmp_path / "embeddings.npz"
    write_embeddings(path, Embeddings(IDS, VECTORS, FRAMES, {"checkpoint": "0" * 64}))
    whole = path.read_bytes()
    for rng in rounds:
        path.write_bytes(rounds.damage(rng, whole))
        found = read_watched(read_embeddings, path)
        if found is not None:
            check(found, rounds.damage)


@thrown(ARRAYS, "embedding cache")
def test_damaged_caches(tmp_path, rounds, capsys):
    """A damaged cache is passed over, with a line that says so."""
    bundle = make_run(tmp_path / "run") / "inference"
    shards = make_shards(tmp_path / "dev", lengths=[800] * 2)
    cache = EmbeddingCache(bundle, shards, "fp32")
    cache.store(Embeddings(IDS, VECTORS, FRAMES, cache.about))
    whole = cache.path.read_bytes()
    for rng in rounds:
        cache.path.write_bytes(rounds.damage(rng, whole))
        capsys.readouterr()
        with watched(tmp_path) as errors:
            found = EmbeddingCache(bundle, shards, "fp32").find()
        assert not errors
        lines = capsys.readouterr().err.splitlines()
        assert all(len(line) < 1600 and str(cache.path) in line for line in lines)
        assert len(lines) == (found is None)
        if found is not None:
            check(found, rounds.damage)

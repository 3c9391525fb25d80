"""Embeddings as a table: rows, several in one, files that hold none."""

from dataclasses import replace

import numpy as np
import pytest

from local.embeddings import Embeddings, join, read_embeddings, write_embeddings
from local.errors import RecipeError


def table(ids=("a/x/0", "b/x/0"), value=1.0, **about):
    vectors = np.full((len(ids), 3), value, np.float32)
    return Embeddings(list(ids), vectors, np.full(len(ids), 16000), about)


def test_files_that_are_not_embeddings(tmp_path):
    path = tmp_path / "e.npz"
    with pytest.raises(RecipeError, match="e.npz: no such file"):
        read_embeddings(path)
    np.savez(path, something=np.ones(3))
    with pytest.raises(RecipeError, match="e.npz: damaged, or not embeddings"):
        read_embeddings(path)
    np.savez(path, ids=np.array(["a"], dtype=object), vectors=1, num_frames=1, about="{}")
    with pytest.raises(RecipeError, match="e.npz: damaged, or not embeddings"):  # needs pickle
        read_embeddings(path)
    with open(path, "wb") as fout:
        np.save(fout, np.ones(3))
    with pytest.raises(RecipeError, match="e.npz: damaged, or not embeddings"):
        read_embeddings(path)
    write_embeddings(path, replace(table(), vectors=np.ones((3, 3), np.float32)))
    with pytest.raises(RecipeError, match=r"e.npz: 2 ids, vectors \(3, 3\)"):
        read_embeddings(path)
    write_embeddings(path, table(value=np.inf))
    with pytest.raises(RecipeError, match="2 embeddings are not finite, e.g. a/x/0, b/x/0"):
        read_embeddings(path)
    write_embeddings(path, table(["a/x/0", "a/x/0"]))
    with pytest.raises(RecipeError, match="1 ids come twice, first a/x/0"):
        read_embeddings(path)


def test_rows_and_joining():
    both = join([table(shards=[{"path": "p"}]), table(["eval"], 2.0, shards=[{"path": "q"}])])
    assert both.rows(["eval/wav/eval.wav", "b/x/0.wav"]).tolist() == [2, 1]
    assert both.about == {"shards": [{"path": "p"}, {"path": "q"}]}
    assert both.vectors[:, 0].tolist() == [1, 1, 2] and both.num_frames.shape == (3,)
    assert both.rows([]).shape == (0,)
    with pytest.raises(RecipeError, match=r"^t.txt: 2 utterances are in no shard, first c, d;"):
        both.rows(["c", "a/x/0", "d", "c"], where="t.txt")
    with pytest.raises(RecipeError, match="a/x/0 is in both p and a file"):
        join([table(shards=[{"path": "p"}]), table()])
    with pytest.raises(RecipeError, match="different checkpoints"):
        join([table(checkpoint="1"), table(["c"], checkpoint="2")])


def test_absent_names_of_a_generator_are_told():
    with pytest.raises(RecipeError, match="2 utterances are in no shard, first c, d;"):
        table().rows(name for name in ("c", "a/x/0", "d"))

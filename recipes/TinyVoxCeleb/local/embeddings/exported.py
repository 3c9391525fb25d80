"""Embeddings of shards by an exported network, as the recipe's own network makes them."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from local.embeddings.batches import average, cut, read_batches
from local.embeddings.table import Embeddings, join
from local.shards import index_shards


def embed_exported(
    embed: Callable[[np.ndarray], np.ndarray], folders: Iterable[str | Path]
) -> Embeddings:
    """Embed each utterance of folders of shards, one at a time, in the windows of the recipe.

    Arguments
    ---------
    embed
        From signals (1, time) to embeddings (1, dim), both float32.

    Raises
    ------
    RecipeError
        See `index_shards` and `decode`; embeddings that are not finite.
    """
    return join([_embed(embed, index_shards(folder), folder) for folder in folders])


def _embed(embed, index, folder):
    pieces = cut(index.num_frames.tolist())
    alone = [[number] for number in range(len(pieces))]
    vectors = [embed(signals[0][None]) for _, signals in read_batches(index, pieces, alone, 0)]
    ids = [sample.key for sample in index]
    vectors = average(np.concatenate(vectors), pieces)
    return Embeddings(ids, vectors, index.num_frames, {}).check(folder)

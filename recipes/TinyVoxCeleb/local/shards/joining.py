"""Shards of several corpora as one set: each numbers its speakers from 0."""

import dataclasses

import numpy as np

from local.errors import RecipeError
from local.shards.listing import list_shards
from local.shards.retrying import public


def separate_classes(index, sources):
    """Let the classes of each source follow those of the source before.

    Arguments
    ---------
    index : ShardIndex
        Of the shards of all sources, one source after the other.
    sources : list of str
        See `split_sources`.

    Returns
    -------
    ShardIndex
        With one source, the same.

    Raises
    ------
    RecipeError
        A speaker of one source has the name of one of another: whether they are one person, nobody
        knows.
    """
    if len(sources) == 1:
        return index
    of_shard = np.repeat(np.arange(len(sources)), [len(list_shards(one)) for one in sources])
    of_row = of_shard[index.shard]
    class_idx, seen, classes = index.class_idx.copy(), {}, 0
    for number, source in enumerate(sources):
        rows = np.flatnonzero(of_row == number)
        for speaker in {key.split(b"/")[0] for key in index.sample_ids[rows]}:
            if speaker in seen:
                name, first = speaker.decode(), public(seen[speaker])
                raise RecipeError(
                    f"{public(source)}: speaker {name} is in {first} too; write the shards "
                    "of one of them anew under other names, or, if they are one person, one set of "
                    "shards of both"
                )
            seen[speaker] = source
        of_source = class_idx[rows]
        class_idx[rows] = np.where(of_source < 0, -1, of_source + classes)
        classes += of_source.max(initial=-1) + 1
    return dataclasses.replace(index, class_idx=class_idx)

"""Embeddings in memory: one row an utterance."""

import collections
from dataclasses import dataclass

import numpy as np

from local.errors import RecipeError
from local.layout import utterance_key


@dataclass(frozen=True)
class Embeddings:
    """Utterances and their embeddings.

    Arguments
    ---------
    ids : list of str
        As trial lists name them, in the order of the shards.
    vectors : numpy.ndarray
        Shape (utterances, dim), float32.
    num_frames : numpy.ndarray
        Length of each utterance in audio samples, shape (utterances,), int64.
    about : dict
        What they were made of: the digest of the checkpoint, the shards and theirs, the precision.

    Example
    -------
    >>> vectors = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    >>> embeddings = Embeddings(["a/x/0", "d045"], vectors, np.array([16000, 8000]), {})
    >>> embeddings.rows(["eval/wav/d045", "a/x/0.wav", "d045"])
    array([1, 0, 1])
    """

    ids: list
    vectors: np.ndarray
    num_frames: np.ndarray
    about: dict

    def __len__(self):
        return len(self.ids)

    def rows(self, names, where=""):
        """The rows of utterances, as trial lists spell them.

        Arguments
        ---------
        names : iterable of str
            With or without ".wav" and "eval/wav/".
        where : str
            What named them, for the message: such as the path of a trial list.

        Returns
        -------
        numpy.ndarray
            Shape (names,), int64.

        Raises
        ------
        RecipeError
            Utterances that are not here: how many, and the first five.
        """
        known = {key: row for row, key in enumerate(self.ids)}
        rows = [known.get(utterance_key(name), -1) for name in names]
        if -1 in rows:
            absent = [name for name, row in zip(names, rows, strict=True) if row < 0]
            absent = list(dict.fromkeys(absent))
            raise RecipeError(
                f"{where + ': ' if where else ''}{len(absent)} utterances are in no shard, first "
                f"{', '.join(absent[:5])}; name the shards that hold them, or mend the list"
            )
        return np.array(rows, dtype=np.int64)

    def check(self, where):
        """Check that these are embeddings that can be scored.

        Arguments
        ---------
        where : str or Path
            What holds them, for the message.

        Returns
        -------
        Embeddings
            Itself.

        Raises
        ------
        RecipeError
            The same id twice; an embedding that is not finite.
        """
        double = [key for key, count in collections.Counter(self.ids).items() if count > 1]
        if double:
            raise RecipeError(
                f"{where}: {len(double)} ids come twice, first {', '.join(double[:5])}: expected "
                "each utterance once; write the shards anew"
            )
        finite = np.isfinite(self.vectors).all(axis=1)
        if not finite.all():
            bad = [self.ids[row] for row in np.flatnonzero(~finite)]
            raise RecipeError(
                f"{where}: {len(bad)} embeddings are not finite, e.g. {', '.join(bad[:5])}: the "
                "network has diverged; train with a lower learning_rate"
            )
        return self


def check_distinct(folders):
    """Check that no utterance is in two folders.

    Arguments
    ---------
    folders : list of (list of str, str or Path)
        The ids in each, and its name for the message.

    Raises
    ------
    RecipeError
    """
    homes = {}
    for ids, home in folders:
        for key in ids:
            if homes.setdefault(key, home) != home:
                raise RecipeError(
                    f"{key} is in both {homes[key]} and {home}: name only one of them, or score "
                    "them in two calls"
                )


def join(parts):
    """Put the embeddings of several folders together.

    Arguments
    ---------
    parts : list of Embeddings
        At least one; all of the same network and precision.

    Returns
    -------
    Embeddings

    Raises
    ------
    RecipeError
        An id in two of them; embeddings of different networks.
    """
    if len(parts) == 1:
        return parts[0]
    homes = [(part.about.get("shards") or [{}])[0].get("path", "a file") for part in parts]
    check_distinct([(part.ids, home) for part, home in zip(parts, homes, strict=True)])
    made_with = {key: value for key, value in parts[0].about.items() if key != "shards"}
    for part in parts:
        if {key: value for key, value in part.about.items() if key != "shards"} != made_with:
            raise RecipeError(
                "embeddings of different checkpoints or precisions cannot stand in one table: "
                "make them anew with one checkpoint and one --precision"
            )
    return Embeddings(
        [key for part in parts for key in part.ids],
        np.concatenate([part.vectors for part in parts]),
        np.concatenate([part.num_frames for part in parts]),
        {**made_with, "shards": [s for part in parts for s in part.about.get("shards", [])]},
    )

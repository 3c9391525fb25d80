"""The trial lists that papers quote, known by their names and counts.

`local.corpora.voxceleb.published_lists` has what is known of them.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from local.corpora.voxceleb.published_lists import identify


def recognise(path: str | Path, labels: np.ndarray, *sides: Iterable[str]) -> tuple[str, str]:
    """What papers call a trial list, and what to say where its name promises another; "" for none.

    See `identify`. Labels are 1, 0 or -1 (unknown), the sides the keys of their utterances, each
    once.

    Example
    -------
    >>> title, remark = recognise("meta/veri_test2.txt", np.array([1, 0, 0]), ["a/x/0", "b/y/0"])
    >>> title, remark.split(":")[0]
    ('', 'not the veri_test2.txt that is published as VoxCeleb1-O, cleaned')
    """
    targets = int(np.sum(labels == 1)) if (labels >= 0).any() else None
    return identify(path, len(labels), targets, _num_speakers(sides))


def _num_speakers(sides):
    """How many speakers there are; None where the ids do not tell them."""
    speakers = {key.partition("/")[0] if "/" in key else None for side in sides for key in side}
    return None if None in speakers else len(speakers)

"""The trial lists that papers quote, known by their names and counts.

`local.corpora.voxceleb.published_lists` has what is known of them.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from local.corpora.voxceleb.published_lists import PUBLISHED_LISTS


def recognise(path: str | Path, labels: np.ndarray, *sides: Iterable[str]) -> tuple[str, str]:
    """What papers call a trial list, and what to say where its name promises another; "" for none.

    A list is known by how many trials, targets and speakers it has, under any name and in the form
    of any toolkit; where it has no labels, by its length and name. Labels are 1, 0 or -1 (unknown),
    the sides the keys of their utterances, each once.

    Example
    -------
    >>> title, remark = recognise("meta/veri_test2.txt", np.array([1, 0, 0]), ["a/x/0", "b/y/0"])
    >>> title, remark.split(":")[0]
    ('', 'not the veri_test2.txt that is published as VoxCeleb1-O, cleaned')
    """
    targets = int(np.sum(labels == 1)) if (labels >= 0).any() else None
    found, name = (len(labels), targets, _num_speakers(sides)), Path(path).name
    named = next((each for each in PUBLISHED_LISTS if each.file == name), None)
    for each in PUBLISHED_LISTS:
        if (each is named or targets is not None) and _fits(each, found):
            return each.title, "" if named in (None, each) else _unlike(named, found)
    return "", "" if named is None else _unlike(named, found)


def _num_speakers(sides):
    """How many speakers there are; None where the ids do not tell them."""
    speakers = {key.partition("/")[0] if "/" in key else None for side in sides for key in side}
    return None if None in speakers else len(speakers)


def _fits(each, found):
    """Whether all that a list tells is as published."""
    pairs = zip(found, (each.trials, each.targets, each.speakers), strict=True)
    return all(own in (None, wanted) for own, wanted in pairs)


def _unlike(each, found):
    """How a list differs from the published one of its name."""
    names = ("trials", "targets", "speakers")
    expected = (each.trials, each.targets, each.speakers)
    differences = [
        f"{own:,} {name}, expected {wanted:,}"
        for name, own, wanted in zip(names, found, expected, strict=True)
        if own not in (None, wanted)
    ]
    return f"not the {each.file} that is published as {each.title}: {'; '.join(differences)}"

"""The trial lists over VoxCeleb's audio that papers quote: files, names, and how long they are.

Several editions of each are about, and numbers on two of them are not to be compared: the cleaned
ones leave out trials whose labels or audio were found wrong (A. Nagrani et al., "VoxCeleb:
Large-scale speaker verification in the wild", Computer Speech & Language 60, 2020;
https://www.robots.ox.ac.uk/~vgg/data/voxceleb/vox1.html has the lists). Those of VoxSRC are not
here: their counts are to be confirmed by a source first.
"""

from pathlib import Path
from typing import NamedTuple


class PublishedList(NamedTuple):
    """A published list: its file, what papers call it, and what it has; targets are trials too."""

    file: str
    title: str
    trials: int
    targets: int
    speakers: int


PUBLISHED_LISTS = (
    PublishedList("veri_test.txt", "VoxCeleb1-O", 37_720, 18_860, 40),
    PublishedList("veri_test2.txt", "VoxCeleb1-O, cleaned", 37_611, 18_802, 40),
    PublishedList("list_test_all.txt", "VoxCeleb1-E", 581_480, 290_743, 1_251),
    PublishedList("list_test_all2.txt", "VoxCeleb1-E, cleaned", 579_818, 289_921, 1_251),
    PublishedList("list_test_hard.txt", "VoxCeleb1-H", 552_536, 276_270, 1_190),
    PublishedList("list_test_hard2.txt", "VoxCeleb1-H, cleaned", 550_894, 275_488, 1_190),
)
LETTERS = {  # by which VoxCeleb1's lists are called: their files, the cleaned one first
    letter: tuple(
        each.file
        for each in reversed(PUBLISHED_LISTS)
        if each.title.startswith(f"VoxCeleb1-{letter}")
    )
    for letter in "OEH"
}


def identify(
    path: str | Path, trials: int, targets: int | None, speakers: int | None
) -> tuple[str, str]:
    """What papers call a trial list, and what to say where its name promises another; "" for none.

    A list is known by how many trials, targets and speakers it has, under any name; where it has no
    labels, so that None are its targets, by its name as well. Its speakers are None where the ids
    do not tell them.

    Example
    -------
    >>> identify("trials.txt", 37_611, 18_802, 40)
    ('VoxCeleb1-O, cleaned', '')
    >>> identify("meta/veri_test2.txt", 37_720, None, 40)[1]  # doctest: +ELLIPSIS
    'not the veri_test2.txt that is ... VoxCeleb1-O, cleaned: 37,720 trials, expected 37,611'
    """
    found, name = (trials, targets, speakers), Path(path).name
    named = next((each for each in PUBLISHED_LISTS if each.file == name), None)
    for each in PUBLISHED_LISTS:
        if (each is named or targets is not None) and not _differences(each, found):
            return each.title, "" if named in (None, each) else _unlike(named, found)
    return "", "" if named is None else _unlike(named, found)


def _differences(each, found):
    """In what the counts of a list, as far as they are known, differ from those of another."""
    names, published = ("trials", "targets", "speakers"), (each.trials, each.targets, each.speakers)
    return [
        f"{own:,} {name}, expected {wanted:,}"
        for name, own, wanted in zip(names, found, published, strict=True)
        if own not in (None, wanted)
    ]


def _unlike(each, found):
    """How a list differs from the published one of its name."""
    differences = "; ".join(_differences(each, found))
    return f"not the {each.file} that is published as {each.title}: {differences}"

"""The trial lists over VoxCeleb's audio that papers quote: files, names, and how long they are.

Several editions of each are about, and numbers on two of them are not to be compared: the cleaned
ones leave out trials whose labels or audio were found wrong (A. Nagrani et al., "VoxCeleb:
Large-scale speaker verification in the wild", Computer Speech & Language 60, 2020;
https://www.robots.ox.ac.uk/~vgg/data/voxceleb/vox1.html has the lists). Those of VoxSRC are not
here: their counts are to be confirmed by a source first.
"""

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

"""The utterances of a split, and where the audio of each lies: a million of them in little memory.

As objects of their own, a million paths take more than a gigabyte, and some of it again in each
process that reads them.
"""

import os
from array import array
from collections.abc import Iterator, Sequence

import numpy as np

from local.shards.places import Utterance
from local.shards.zips import Member

# Where in archives files lie, one row an utterance; the archive is -1 where it is in none.
MEMBERS = np.dtype(
    [("offset", "i8"), ("packed", "i8"), ("kind", "i4"), ("checksum", "u4"), ("archive", "i4")]
)


class Texts:
    """Many texts in one piece of memory; names of files may hold bytes that are not UTF-8."""

    def __init__(self):
        self._bytes, self._ends = bytearray(), array("q", [0])

    def append(self, text: str) -> None:
        """Add one."""
        self._bytes += os.fsencode(text)
        self._ends.append(len(self._bytes))

    def __getitem__(self, row):
        return os.fsdecode(bytes(self._bytes[self._ends[row] : self._ends[row + 1]]))


class Utterances(Sequence):
    """The utterances of a split, sorted by their ids, until they are shuffled.

    Arguments
    ---------
    root
        What stands before all `paths`, which are relative to it in messages that last. "" for paths
        of a list: then split and id stand in such messages, which hold for other places too.
    members, archives
        Where in archives they lie, and the paths of these.
    """

    def __init__(
        self,
        split: str,
        root: str,
        ids: list[bytes],
        paths: Texts,
        sizes: Sequence[int],
        members: np.ndarray | None = None,
        archives: Sequence[str] = (),
    ):
        self.split, self._root, self._paths = split, root, paths
        self._ids, self._sizes = np.array(ids, "S"), np.array(sizes, np.int64)
        self._members, self._archives = members, archives
        self._sorted = self._order = np.argsort(self._ids, kind="stable")

    def shuffle(self, seed: int) -> None:
        """Put them into the order that a seed draws."""
        self._order = self._sorted.copy()
        np.random.default_rng(seed=seed).shuffle(self._order)

    def __len__(self):
        return len(self._order)

    def __getitem__(self, number):
        return self._at(self._order[number])

    def _at(self, row):
        member, size = None, self._sizes.item(row)
        if self._members is not None and self._members["archive"][row] >= 0:
            offset, packed, kind, checksum, archive = self._members[row].item()
            member = Member(self._archives[archive], offset, packed, size, kind, checksum)
        return Utterance(self._ids[row].decode(), self._root + self._paths[row], size, member)

    @property
    def ids(self) -> np.ndarray:
        """Their ids in UTF-8, of dtype S."""
        return self._ids[self._order]

    def texts(self) -> Iterator[str]:
        """Their ids."""
        return (self._ids[row].decode() for row in self._order)

    def speakers(self) -> Iterator[str]:
        """The speaker of each."""
        return (text.partition("/")[0] for text in self.texts())

    def twice(self) -> tuple[str, str, str] | None:
        """An id that two of them have, and the paths of these; None where all differ."""
        ids = self._ids[self._sorted]
        for place in np.flatnonzero(ids[1:] == ids[:-1]).tolist():
            paths = sorted(self._at(self._sorted[n]).path for n in (place, place + 1))
            return ids[place].decode(), *paths
        return None

    def name(self, number: int) -> str:
        """What is noted of one that something is wrong with."""
        row = self._order[number]
        if self._root:
            return self._paths[row]
        return f"{self.split}/{self._ids[row].decode()}{os.path.splitext(self._paths[row])[1]}"

    def told(self, name: str) -> str:
        """The path of the one that was noted so, as far as it is known."""
        if self._root:
            return self._root + name
        text = os.path.splitext(name)[0].partition("/")[2].encode()
        place = np.searchsorted(self._ids, text, sorter=self._sorted)
        row = self._sorted[min(int(place), len(self) - 1)]
        return self._paths[row] if self._ids[row] == text else name

"""The directory of a zip archive, file by file: an archive may hold a million of them."""

import struct
import zipfile
import zlib
from collections.abc import Callable

START = b"PK\3\4"  # with which a file begins in an archive
# What zipfile raises for a damaged archive, beside errors of the system
DAMAGED = (
    *(zipfile.BadZipFile, NotImplementedError, ValueError, EOFError),
    *(struct.error, zlib.error),
)


def read_directory(archive: str, take: Callable[[zipfile.ZipInfo], None]) -> None:
    """Tell a function of each file in an archive; none is kept, as that takes 1 KB each.

    Raises
    ------
    OSError, BadZipFile, NotImplementedError, ValueError, EOFError, struct.error
        The archive is damaged, or cut off: its directory stands at its end.

    Example
    -------
    >>> path, names = getfixture("tmp_path") / "a.zip", []
    >>> with zipfile.ZipFile(path, "w") as archive:
    ...     archive.writestr("wav/1.wav", b"RIFF")
    >>> read_directory(path, lambda info: names.append(info.filename))
    >>> names
    ['wav/1.wav']
    """
    _Directory(archive, take).close()


class _Directory(zipfile.ZipFile):
    """A zip archive that hands on its entries in place of keeping them."""

    # What ZipFile sets and fills
    filelist = property(lambda self: _Nothing(), lambda self, _: None)
    NameToInfo = property(lambda self: self._taken, lambda self, _: None)

    def __init__(self, archive, take):
        self._taken = _Taken(take)
        super().__init__(archive)


class _Nothing(list):
    """A list that stays empty."""

    def append(self, _):
        pass


class _Taken(dict):
    """What calls a function for each entry instead of keeping it."""

    def __init__(self, take):
        super().__init__()
        self._take = take

    def __setitem__(self, _, info):
        self._take(info)

"""The audio files in a folder that the ids of lists mean, found without reading all its folders."""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from local.corpora.audio_files import Ignored, find_audio
from local.corpora.speaker_tree import AUDIO_EXTENSIONS
from local.errors import RecipeError, first_of
from local.layout import JOINERS, composed, utterance_key


class NamedFile(NamedTuple):
    """A file that an id means: its path within the folder, and whether joiners stood for "/"."""

    path: str
    joined: bool


class _Listing(NamedTuple):
    """What a folder holds: real names of folders by theirs, and of files by that of `stem_of`."""

    folders: dict[str, str]
    files: dict[str, list[str]]


class NamedFiles:
    """The audio files in a folder, by the ids that lists have for them.

    An id is a path relative to the folder, to any folder above it, or to one below it, with or
    without the extension of its file. It may come from another machine, where only its last three
    parts are the same; and "-", "_" or "@" may stand for each "/" of the last of them. What is
    hidden is not looked at. No such folder is a RecipeError.
    """

    def __init__(self, folder: str | Path):
        check_folder(folder)
        self.folder = os.path.abspath(folder)
        self._above = [_parts(self.folder), _parts(os.path.realpath(folder))]
        self._listings: dict[str, _Listing] = {}

    def find(self, names: Iterable[str]) -> dict[str, NamedFile]:
        """The file of each id; ids that mean none are left out.

        Raises
        ------
        RecipeError
            An id that means two files, or a folder that cannot be read.
        """
        names, found, others = list(names), {}, []
        for name in names:
            ways = ((self._direct(name), False), (self._spelt_out(name), True))
            hit = next(((files, joined) for files, joined in ways if files), None)
            if hit is None:
                others.append(name)
            else:
                found[name] = self._only(name, *hit)
        found |= self._find_below(others)
        return {name: found[name] for name in names if name in found}

    def _direct(self, name, joined=False):
        """The files to which an id leads from the folder."""
        parts = _parts(name)
        above = {n for n in range(len(parts)) for a in self._above if a[-n:] == parts[:n] or not n}
        if files := {file for n in above for file in self._follow(self.folder, parts[n:])}:
            return files
        shortest = len(_short(name))
        for number in range(1, len(parts) - shortest + 1):
            if files := self._follow(self.folder, parts[number:]):
                return set(files)
        return set(self._follow(self.folder, _short(name)))

    def _spelt_out(self, name):
        """The files to which an id with joiners leads from the folder."""
        spelt = name.replace("@", "/")
        return (spelt != name and self._direct(spelt)) or set(self._joined(self.folder, name))

    def _find_below(self, names):
        """The files to which ids lead from folders below: from the uppermost from which they do."""
        ways = defaultdict(list)  # by what has to be there first
        for name in names:
            for parts in {tuple(_parts(name)), tuple(_short(name))}:
                ways[stem_of(parts[0]) if len(parts) == 1 else parts[0]].append((name, parts))
            last = _parts(name)[-1]
            for place, letter in enumerate(last):
                if letter in JOINERS:
                    ways[last[:place]].append((name, None))
        found, level, seen = {}, [self.folder], set()
        while len(found) < len(names) and (level := list(self._below(level, seen))):
            hits = defaultdict(set)
            for folder in level:
                listing = self._listing(folder)
                for entry in (*listing.folders, *listing.files):
                    for name, parts in ways.get(entry, ()):
                        if name not in found:
                            joined = self._joined(folder, name) if parts is None else ()
                            files = self._follow(folder, parts) if parts else joined
                            hits[name].update((file, parts is None) for file in files)
            for name, files in hits.items():
                plain = {file for file, joined in files if not joined}
                if files:
                    chosen = plain or {file for file, _ in files}
                    found[name] = self._only(name, chosen, not plain)
        return found

    def _below(self, folders, seen) -> Iterator[str]:
        """The folders in some folders, each once, also where links lead in circles."""
        for folder in folders:
            for name in self._listing(folder).folders.values():
                place = os.path.join(folder, name)
                state = os.stat(place)
                if (state.st_dev, state.st_ino) not in seen:
                    seen.add((state.st_dev, state.st_ino))
                    yield place

    def _follow(self, folder, parts):
        """The files in or below a folder to which the parts of an id lead."""
        for part in parts[:-1]:
            part = self._listing(folder).folders.get(part)
            if part is None:
                return []
            folder = os.path.join(folder, part)
        return self._files(folder, parts[-1])

    def _joined(self, folder, name):
        """The files below a folder whose path an id has with a joiner for each "/"."""
        last = _parts(name)[-1]
        for joiner in JOINERS:
            yield from self._split(folder, last, joiner)

    def _split(self, folder, text, joiner):
        place = text.find(joiner)
        while place >= 0:
            if (part := self._listing(folder).folders.get(text[:place])) is not None:
                below, rest = os.path.join(folder, part), text[place + 1 :]
                yield from self._files(below, rest)
                yield from self._split(below, rest, joiner)
            place = text.find(joiner, place + 1)

    def _files(self, folder, name):
        """The file of this name in a folder, or with ".wav", or else with other extensions.

        Lists are read without ".wav", and many hold what was converted beside the original.
        """
        found = self._listing(folder).files.get(stem_of(name), [])
        exact = [file for file in found if composed(file) == name]
        exact = exact or [file for file in found if file[-4:].lower() == ".wav"]
        return [os.path.join(folder, file) for file in exact or found]

    def _listing(self, folder):
        if folder not in self._listings:
            listing = self._listings[folder] = _Listing({}, {})
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        name = composed(entry.name)
                        if name.startswith("."):
                            continue
                        if entry.is_dir():
                            listing.folders[name] = entry.name
                        else:
                            listing.files.setdefault(stem_of(name), []).append(entry.name)
            except OSError as error:
                raise RecipeError(
                    f"{folder}: cannot be read ({error.strerror}); make it a folder that you may "
                    "list and enter"
                ) from None
        return self._listings[folder]

    def _only(self, name, files, joined):
        """The one file that an id means, where there are no two."""
        if len(files) > 1 and len(set(map(os.path.realpath, files))) > 1:
            within = [os.path.relpath(file, self.folder) for file in sorted(files)]
            raise RecipeError(
                f"{self.folder}: {name} may be {first_of(within, joiner=' or ')}: write the path "
                "and the extension in the list, or name the folder that holds the one"
            )
        return NamedFile(os.path.relpath(min(files), self.folder), joined)


def check_folder(folder: str | Path) -> None:
    """Check that there is a folder of audio; else it is a RecipeError."""
    if not os.path.isdir(folder):
        raise RecipeError(f"{folder}: no such folder of audio: name the one that holds it")


def name_all(folder: str | Path) -> dict[str, str]:
    """All audio files below a folder: by the id that lists have for it, the path of each within it.

    Of files that differ in their extensions alone, the one with ".wav" is taken, as for an id. No
    audio, or two files with one id, are a RecipeError.
    """
    check_folder(folder)
    found = {}
    for path in find_audio(folder, AUDIO_EXTENSIONS, Ignored(), repeated=True):
        path = os.path.relpath(path, folder)
        found.setdefault(stem_of(path), []).append(path)
    named = {}
    for stem, paths in sorted(found.items()):
        paths = [path for path in paths if path[-4:].lower() == ".wav"] or paths
        other = named.setdefault(utterance_key(stem), paths[0])
        if twice := [path for path in (*paths, other) if path != paths[0]]:
            raise RecipeError(
                f"{folder}: {paths[0]} and {twice[0]} have the same id {utterance_key(stem)}, the "
                "last three parts of their paths: name folders with one of them each"
            )
    if not named:
        raise RecipeError(f"{folder}: holds no audio: name the folder with the recordings")
    return named


def stem_of(name: str) -> str:
    """A name without the extension of an audio file, if it has one.

    Example
    -------
    >>> stem_of("00001.wav"), stem_of("00001.M4A"), stem_of("v1.5")
    ('00001', '00001', 'v1.5')
    """
    stem, extension = os.path.splitext(name)
    return stem if extension.lower() in AUDIO_EXTENSIONS else name


def _parts(name):
    """The folders of an id, and its file."""
    name = composed(name)
    if "\\" in name and "/" not in name:
        name = name.replace("\\", "/")
    return [part for part in os.path.normpath(name).split("/") if part not in ("", ".", "..")]


def _short(name):
    """The parts of an id that lists and shards have in common."""
    return utterance_key(stem_of(name)).split("/")

"""What lies below a folder of VoxCeleb: its utterances as files, archives and tables, by names."""

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from local.corpora.voxceleb.names import utterance_id
from local.errors import RecipeError, first_of

# Of several files of one utterance the first of these is taken: what is decoded already.
KINDS = ("wav", "flac", "m4a", "aac", "opus", "ogg", "mp3", "mp4")
RANKS = {kind: rank for rank, kind in enumerate(KINDS)}
PIECE = re.compile(r"(.*[Vv]ox[^/]*part)([a-z]{2})")  # of an archive, as `split` names them
TABLE = re.compile(r".*vox.*meta.*\.(csv|tsv|txt)", re.I)
UNFINISHED = {"part", "partial", "crdownload", "download", "aria2", "tmp", "filepart"}
KNOWN_LIST = re.compile(r"(veri_test|list_test|iden_split|vox).*\.txt", re.I)  # others read them
OTHER_PLACE = "audio files that are not in the folders of a speaker and a session"
LINKED = "links to what is there already"


@dataclass
class Tree:
    """What was found.

    Attributes
    ----------
    paths : dict of str to str
        Where each utterance lies, by its id.
    zips, tables : list of str
        Paths of zip files, and of tables of speakers.
    pieces : dict of str to list of str
        The last two letters of pieces of archives, by the path before them.
    ignored : Counter
        How many files or folders were not taken, by reason.
    examples : dict of str to str
        One of them, by reason.
    doubles : Counter
        How many utterances lie there as two files, by the kinds of the one taken and the other.
    """

    paths: dict = field(default_factory=dict)
    zips: list = field(default_factory=list)
    tables: list = field(default_factory=list)
    pieces: dict = field(default_factory=dict)
    ignored: Counter = field(default_factory=Counter)
    examples: dict = field(default_factory=dict)
    doubles: Counter = field(default_factory=Counter)

    def leave(self, reason, path):
        """Count what is not taken."""
        self.ignored[reason] += 1
        self.examples.setdefault(reason, path)

    def take(self, identifier, path):
        """Take a file, unless the utterance is there already as one that is better."""
        other = self.paths.setdefault(identifier, path)
        if other is path:
            return
        better, worse = sorted((other, path), key=lambda path: (rank(path), path))
        kinds = kind_of(better), kind_of(worse)
        self.doubles[kinds] += 1
        if kinds not in self.examples:
            self.examples[kinds] = f"{better} and {worse}"
        self.paths[identifier] = better


def kind_of(path: str) -> str:
    """The extension of a file's name, in lower case, without its dot."""
    return path.rpartition(".")[2].lower()


def rank(path: str) -> int:
    """How late a file is taken where an utterance has several."""
    return RANKS[kind_of(path)]


def read_tree(data_folder: str | Path) -> Tree:
    """List a folder and all below it.

    Links are followed, but no folder is taken twice, nor one above the data folder. What is hidden
    is left out. Files are not opened; of utterances it is asked whether they are empty.

    Raises
    ------
    RecipeError
        There is no such folder.
    """
    top = os.path.abspath(data_folder)
    if not os.path.isdir(top):
        raise RecipeError(f"{data_folder}: no such folder; expected the one that holds VoxCeleb")
    tree, place = Tree(), os.path.realpath(top)
    seen = set(map(str, Path(place).parents))
    folders, links = [(top, top if top == place else place)], []
    with tqdm(desc="looking for VoxCeleb", unit=" folders", disable=None) as progress:
        while folders or links:
            if not folders:
                # Links come last: what they lead to keeps the name of its place below the folder.
                links.sort(reverse=True)
                folders.append(links.pop())
            path, place = folders.pop()
            if place in seen:
                tree.leave(LINKED, path)
                continue
            seen.add(place)
            _read_folder(tree, path, place, folders, links)
            progress.update()
    return tree


def _read_folder(tree, path, place, folders, links):
    """Take the files of a folder; those in it are added to `folders`, linked ones to `links`."""
    above, name = path.split("/")[-2:]
    try:
        entries = os.scandir(path)
    except PermissionError:
        tree.leave("folders that may not be listed", path)
        return
    with entries:
        for entry in entries:
            file = entry.name
            if file.startswith(".") or file == "__MACOSX":
                hidden = "folders" if os.path.isdir(entry.path) else "files"
                tree.leave(f"hidden {hidden}", entry.path)
            elif entry.is_dir(follow_symlinks=False):
                same = place is path  # one text for both, as long as there are no links
                inner = entry.path if same else os.path.join(place, file)
                folders.append((entry.path, inner))
            elif entry.is_symlink() and os.path.isdir(entry.path):
                links.append((entry.path, os.path.realpath(entry.path)))
            else:
                _read_file(tree, entry, above, name)


def _read_file(tree, entry, above, folder):
    stem, dot, extension = entry.name.rpartition(".")
    if (kind := extension.lower()) in RANKS:
        identifier = utterance_id(above, folder, stem)
        if identifier is None:
            tree.leave(OTHER_PLACE, entry.path)
            return
        try:
            empty = not entry.stat().st_size
        except OSError:
            if not entry.is_symlink():
                raise
            tree.leave("links that lead nowhere", entry.path)
            return
        if empty:
            tree.leave("empty files", entry.path)
        else:
            tree.take(identifier, entry.path)
    elif kind == "zip":
        tree.zips.append(entry.path)
    elif kind in UNFINISHED:
        tree.leave("unfinished downloads", entry.path)
    elif found := PIECE.fullmatch(entry.path):
        tree.pieces.setdefault(found[1], []).append(found[2])
    elif TABLE.fullmatch(entry.name):
        tree.tables.append(entry.path)
    elif not KNOWN_LIST.fullmatch(entry.name):
        tree.leave(f".{kind}" if dot else "files without an extension", entry.path)


def ignored_notes(tree: Tree) -> list[str]:
    """What was not taken, for the user."""
    notes = []
    for (kind, other), count in sorted(tree.doubles.items()):
        example = tree.examples[kind, other]
        if kind == other:
            notes.append(f"{count:,} utterances lie there twice, taken once: {example}")
        else:
            notes.append(f"{count:,} utterances as .{kind} and as .{other}: .{kind} taken")
    if tree.ignored:
        reasons = [
            f"{count:,} {reason}" + (f" ({tree.examples[reason]})" if " " in reason else "")
            for reason, count in tree.ignored.most_common()
        ]
        notes.append(f"ignored: {first_of(reasons, 10)}")
    return notes

"""VoxCeleb as it is downloaded: zip files, read as they are, and pieces of them, to be joined."""

import os
import shlex
import string
import zipfile
from collections.abc import Collection, Mapping

from local.corpora.voxceleb.count import Tally, is_complete
from local.corpora.voxceleb.names import side_of, utterance_id
from local.corpora.voxceleb.tree import RANKS, Tree, rank
from local.corpora.zip_directory import DAMAGED, START, read_directory
from local.errors import RecipeError, first_of

PIECES = {"vox1_dev_wav": 4, "vox2_dev_aac": 8, "vox2_dev_mp4": 9}  # that there are of each
PROBE = 4096  # every so many members it is seen whether one begins where it should


class ZipError(RecipeError):
    """A zip file is truncated or damaged; `path` is that of the file."""

    def __init__(self, path: str, reason: str):
        super().__init__(
            f"{path}: no whole zip file: {reason}; download or join it again, or remove it where "
            "it is not needed"
        )
        self.path = path


def zip_paths(path: str, tree: Tree) -> dict[str, str]:
    """The utterances in a zip file by their ids, as paths through it; nothing is unpacked.

    `tree` gets what is left out.

    Raises
    ------
    RecipeError
        The file is truncated or damaged.
    """
    paths, starts, number = {}, [], 0

    def take(member):
        nonlocal number
        if not number % PROBE:
            starts.append(member.header_offset)
        number += 1
        *folders, name = ("", "", *member.filename.split("/"))
        stem, _, kind = name.rpartition(".")
        if kind.lower() not in RANKS or name.startswith(".") or "__MACOSX" in folders:
            return
        if identifier := utterance_id(*folders[-2:], stem):
            inner = f"{path}/{member.filename}"
            if not member.file_size:
                tree.leave("empty files", inner)
            elif rank(paths.get(identifier, inner)) >= rank(inner):
                paths[identifier] = inner

    try:
        size = os.path.getsize(path)
        os.close(os.open(path, os.O_RDONLY))
    except OSError as error:
        raise ZipError(path, f"it cannot be opened: {error.strerror}") from None
    if not zipfile.is_zipfile(path):
        raise ZipError(path, f"its end is missing, with the list of what is in it ({size:,} bytes)")
    try:
        read_directory(path, take)
        with open(path, "rb") as archive:
            for start in starts:
                if start >= 0:
                    archive.seek(start)
                if start < 0 or archive.read(len(START)) != START:
                    raise ZipError(path, "damaged: a part of it is missing, or in another's place")
    except DAMAGED:
        raise ZipError(path, "damaged: the list of what is in it cannot be read") from None
    return paths


def add_zips(tree: Tree) -> tuple[list[str], list[ZipError]]:
    """Add the utterances of zip files to those that lie there as files; returns notes, and faults.

    A zip file all of whose utterances are there already adds nothing. Else, all are taken from it:
    to unpack it was not finished, so the last of the files may be half of one.
    """
    notes, faults = [], []
    for path in sorted(tree.zips):
        try:
            inside = zip_paths(path, tree)
        except ZipError as error:
            faults.append(error)
            continue
        common = sum(identifier in tree.paths for identifier in inside)
        if not inside:
            notes.append(f"ignored: {path}, a zip file without audio of VoxCeleb")
        elif common == len(inside):
            notes.append(f"{path}: its {common:,} utterances are there already, and taken once")
        else:
            if common:
                notes.append(
                    f"{path}: {common:,} of its {len(inside):,} utterances are there already, but "
                    "not all: all are read from the zip file"
                )
            tree.paths.update(inside)
    return notes, faults


def part_named(path: str) -> str:
    """The part of VoxCeleb that a file is named for, as vox2_dev_aac.zip is; "" if none."""
    name = os.path.basename(path).lower()
    vox = next((vox for vox in ("vox1", "vox2") if name.startswith(vox)), "")
    return f"{vox}-{side_of([name])}" if vox and side_of([name]) else ""


def check_pieces(
    pieces: Mapping[str, Collection[str]], zips: Collection[str], tallies: Mapping[str, Tally]
) -> list[str]:
    """Check that no zip file is there in pieces only; returns notes on those that are not needed.

    Raises
    ------
    RecipeError
        For pieces that are not joined, of parts of VoxCeleb of which nothing else was found.
    """
    notes, unjoined = [], []
    for start, found in sorted(pieces.items()):
        whole = f"{start.removesuffix('part').rstrip('._-').removesuffix('.zip')}.zip"
        name = os.path.basename(whole).removesuffix(".zip")
        told = _joining(start, sorted(found), whole, PIECES.get(name, 0))
        if whole in zips or is_complete(tallies, part_named(name)):
            notes.append(f"ignored: {start}{min(found)} and others, as what they hold is there")
        elif part_named(name) in tallies:  # which may lack something on purpose
            notes.append(f"ignored: {told}")
        else:
            unjoined.append(told)
    if unjoined:
        raise RecipeError("; ".join(unjoined))
    return notes


def _joining(start, found, whole, number):
    """What is to be done with the pieces of a zip file, of which `number` are published."""
    letters = string.ascii_lowercase
    order = [first + second for first in letters for second in letters]
    needed = order[: max(number, order.index(found[-1]) + 1)]
    missing = [end for end in needed if end not in found]
    sizes = {end: os.path.getsize(start + end) for end in found}
    # All but the last are of one size.
    short = [end for end in found if end != needed[-1] and sizes[end] < max(sizes.values())]
    name = os.path.basename(start)
    todo = [f"download what is missing ({_named(name, missing)})"] if missing else []
    todo += [f"download again what is not complete ({_named(name, short)})"] if short else []
    joining = f"join them: cat {shlex.quote(start)}* > {shlex.quote(whole)}"
    return f"{start}{found[0]} …: pieces of one zip file: {', then '.join([*todo, joining])}"


def _named(name, ends):
    return first_of([name + end for end in ends], 8)

"""Find VoxCeleb1 and VoxCeleb2 below a folder, in whatever state they lie there.

    wav/id10001/1zcIwhmdeo4/00001.wav                the speakers' folders, anywhere, or linked
    vox1_dev_wav/wav/...  dev/aac/id00012/...m4a     the parts
    voxceleb1_wav/A.J._Buckley/1zcIwhmdeo4/0000001.wav      VoxCeleb1 as it came first
    vox1_dev_wav.zip  vox2_test_aac.zip              what is downloaded, not unpacked
    vox1_meta.csv  vox2_meta.csv                     sex, nationality and part, if they are there

Speakers, sessions and utterances have the names that their paths tell.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from local.corpora.voxceleb.archives import add_zips, check_pieces, part_named
from local.corpora.voxceleb.count import Person, count, is_complete, summary, unknown
from local.corpora.voxceleb.meta import read_people
from local.corpora.voxceleb.tree import ignored_notes, read_tree
from local.errors import RecipeError, first_of
from local.layout import composed


@dataclass
class Download:
    """VoxCeleb as it lies below a folder.

    Attributes
    ----------
    paths :
        Where each utterance lies, by its id "speaker/session/utterance", sorted by ids. The path
        may go through a zip file; see `utterance_list`.
    speakers :
        Those of the utterances, sorted by ids.
    notes :
        What a user should be told.
    """

    data_folder: Path
    paths: dict[str, str]
    speakers: dict[str, Person]
    notes: list[str]


def find_voxceleb(data_folder: str | Path) -> Download:
    """Find VoxCeleb1, VoxCeleb2 or both below a folder.

    Each utterance is taken once: as a file rather than from a zip file, but for a zip file that was
    not unpacked to its end; as WAV rather than as what it was decoded from.

    Raises
    ------
    RecipeError
        There is none; a zip file is truncated or damaged; pieces of one are not joined.
    """
    tree = read_tree(data_folder)
    told, ids, notes = read_people(tree.tables)
    zip_notes, damaged = add_zips(tree)
    notes += zip_notes
    paths = _by_ids(tree.paths, ids)
    speakers, tallies = count(data_folder, paths, told)
    for fault in damaged:
        part = part_named(fault.path)
        if "vox" in os.path.basename(fault.path).lower() and not is_complete(tallies, part):
            raise fault
        notes.append(f"ignored: {fault}")
    notes += check_pieces(tree.pieces, tree.zips, tallies)
    if not paths:
        raise RecipeError(_what_is_there(data_folder, tree))
    notes = [*summary(tallies), *unknown(speakers, tree.tables), *notes, *ignored_notes(tree)]
    return Download(Path(data_folder), paths, speakers, notes)


def _by_ids(paths, ids):
    """Utterances sorted by ids, with those of speakers where they had names."""
    for identifier in [each for each in paths if not each.startswith("id")] if ids else ():
        name, rest = identifier.split("/", 1)
        if speaker := ids.get(composed(name)):
            path = paths.pop(identifier)
            paths.setdefault(f"{speaker}/{rest}", path)
    return {identifier: paths[identifier] for identifier in sorted(paths)}


def _what_is_there(data_folder, tree):
    try:
        found = sorted(name for name in os.listdir(data_folder) if not name.startswith("."))
        there = f"there is {first_of(found, 8)}" if found else "the folder is empty"
    except PermissionError:
        there = "you may not list the folder"
    return "; ".join(
        [
            f"{data_folder}: no VoxCeleb below this folder: looked for id10001/1zcIwhmdeo4/"
            "00001.wav (or .m4a, .flac, …), with any folders above, and for zip files such as "
            f"vox1_dev_wav.zip; {there}",
            *ignored_notes(tree),
        ]
    )

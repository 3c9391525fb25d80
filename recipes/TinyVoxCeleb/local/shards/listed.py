"""The utterances of a corpus without a copy of their audio: by its list, where they lie."""

import os
from pathlib import Path

import numpy as np

from local.corpora.utterance_list import UTTERANCES_FILE, read_utterances
from local.errors import RecipeError, first_of
from local.shards.tree import SPLITS, UNREADABLE, audio_files, find_splits
from local.shards.utterances import MEMBERS, Texts, Utterances
from local.shards.zips import find_members, split_archive


def is_listed(tree: Path) -> bool:
    """Whether a corpus has a list of utterances in place of the folders of splits.

    That it has both is a RecipeError.
    """
    if not (tree / UTTERANCES_FILE).is_file():
        return False
    if folders := [split for split in SPLITS if (tree / split).is_dir()]:
        raise RecipeError(
            f"{tree}: holds {UTTERANCES_FILE} and the folders {', '.join(folders)}: expected one "
            "of both; move the other elsewhere"
        )
    return True


def split_names(tree: Path) -> list[str]:
    """The splits of a corpus, see `find_splits`."""
    if not is_listed(tree):
        return find_splits(tree)
    found = {utterance.split for utterance in read_utterances(tree / UTTERANCES_FILE)}
    return [split for split in SPLITS if split in found]


def place_of(tree: Path, split: str) -> str:
    """What tells of the utterances of a split, for messages."""
    return f"{tree / UTTERANCES_FILE} ({split})" if is_listed(tree) else str(tree / split)


def find_utterances(tree: Path) -> dict[str, Utterances]:
    """The utterances of all splits of a corpus; see `audio_files` and `read_listed`."""
    if is_listed(tree):
        return read_listed(tree / UTTERANCES_FILE)
    return {split: audio_files(tree, split) for split in SPLITS if (tree / split).is_dir()}


def read_listed(path: Path) -> dict[str, Utterances]:
    """The utterances that a list has for each split.

    Raises
    ------
    RecipeError
        None; a split that is none; an id that is not speaker/session/utterance, or no list can
        hold; the same twice in a split; a damaged archive; audio that is not where it should be.
    """
    splits = {}
    for number, (split, sample_id, place) in enumerate(read_utterances(path), start=2):
        if split not in SPLITS:
            raise RecipeError(f"{path}:{number}: split {split!r}: expected {', '.join(SPLITS)}")
        if sample_id.count("/") != 2 or "" in sample_id.split("/"):
            raise RecipeError(
                f"{path}:{number}: id {sample_id!r}: expected speaker/session/utterance"
            )
        if UNREADABLE.search(sample_id):
            raise RecipeError(
                f"{path}:{number}: an id with control characters or bytes that are not UTF-8, "
                "which no list can hold"
            )
        ids, places = splits.setdefault(split, ([], Texts()))
        ids.append(sample_id.encode())
        places.append(os.path.join(path.parent, place) if place else "")
    if not splits:
        raise RecipeError(f"{path}: holds no utterances")
    splits = {split: splits[split] for split in SPLITS if split in splits}
    sizes, members, archives, lost = _locate(list(splits.values()))
    found, begin = {}, 0
    for split, (ids, places) in splits.items():
        part = slice(begin, begin := begin + len(ids))
        own = sizes[part], members[part] if archives else None, archives
        files = found[split] = Utterances(split, "", ids, places, *own)
        if twice := files.twice():
            raise RecipeError(f"{path}: {twice[0]} comes twice in {split}: keep one of the rows")
    if lost:
        raise RecipeError(
            f"{path}: audio of {len(lost)} of {begin} utterances is not there: {first_of(lost)}; "
            "bring it back, or make the corpus anew"
        )
    return found


def _locate(splits):
    """Sizes, members and archives of all splits, one after the other, and what is not there."""
    count, known = sum(len(ids) for ids, _ in splits), {}
    sizes, members = np.zeros(count, np.int64), np.zeros(count, MEMBERS)
    members["archive"] = -1
    rows = ((ids[row], places[row]) for ids, places in splits for row in range(len(ids)))
    archives, same, lost = {}, [], []
    for row, (sample_id, path) in enumerate(rows):
        place, name = split_archive(path, known)
        if name:
            wanted = archives.setdefault(place, {})
            if (first := wanted.setdefault(name, row)) != row:
                same.append((row, first))
            continue
        try:
            sizes[row] = os.stat(place).st_size
        except OSError:
            lost.append(place or f"{sample_id.decode()}, which has no path")
    for number, (archive, wanted) in enumerate(archives.items()):

        def found(row, member, number=number):
            sizes[row] = member.size
            members[row] = member.offset, member.packed, member.kind, member.checksum, number

        find_members(archive, wanted, found)
        lost += [f"{archive}/{name}" for name, row in wanted.items() if members["archive"][row] < 0]
        wanted.clear()
    for row, first in same:
        sizes[row], members[row] = sizes[first], members[first]
    return sizes, members, list(archives), lost

"""The audio tree that shards are written from: its splits, and the files of each with their ids."""

import os
import re
from array import array
from collections.abc import Mapping
from pathlib import Path

from local.corpora.audio_files import Ignored, find_audio, ignored_line
from local.corpora.utterance_list import UTTERANCES_FILE
from local.errors import RecipeError, first_of
from local.shards.headers import AUDIO_TYPES
from local.shards.utterances import Texts, Utterances

SPLITS = ("train", "val", "dev", "eval")
LABELLED = ("train", "val")  # with the speaker's class
UNREADABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")  # in ids


def find_splits(tree: Path) -> list[str]:
    """The splits of which a tree has a folder.

    That it has none of them, or one that differs in the case of letters only, is a RecipeError.
    Other folders are told.
    """
    found = {place.name for place in tree.glob("[!.]*") if place.is_dir()} - {*SPLITS}
    for name in sorted(found):
        split = name.strip().lower()
        if split in SPLITS:
            raise RecipeError(
                f"{tree / name}: expected the folder of a split to be called {split}; rename it, "
                "or move it elsewhere if it is none"
            )
    splits = [split for split in SPLITS if (tree / split).is_dir()]
    if not splits:
        raise RecipeError(
            f"{tree}: no audio tree here: expected at least one of the folders "
            f"{', '.join(SPLITS)}, or {UTTERANCES_FILE}"
        )
    if found:
        names = first_of(sorted(found))
        print(f"{tree}: folders that are none of {', '.join(SPLITS)} left out: {names}")
    return splits


def audio_files(tree: Path, split: str) -> Utterances:
    """The audio files of a split, sorted by their ids.

    Raises
    ------
    RecipeError
        None; a file that is not in the folders of a speaker and a session; two with the same id;
        an id that no list can hold.
    """
    ids, names, sizes = [], Texts(), array("q")
    ignored, above, root = Ignored(), None, os.path.join(tree, "")
    extensions = {f".{name}" for name in AUDIO_TYPES}
    for path in map(str, find_audio(tree / split, extensions, ignored, repeated=True)):
        name = path.removeprefix(root)
        stem, suffix = os.path.splitext(name)
        depth = stem.count("/") + 1
        if depth < (3 if split == "eval" else 4):
            raise RecipeError(f"{path}: expected {split}/<speaker>/<session>/<utterance>{suffix}")
        sample_id = id_of(name)
        if UNREADABLE.search(sample_id):
            raise RecipeError(
                f"{path}: a name with line breaks, control characters or bytes that are not UTF-8, "
                "which no list can hold: rename it"
            )
        ids.append(sample_id.encode())
        names.append(name)
        sizes.append(file_size(path))
        above = depth - 4 if split != "eval" else None
    if told := ignored_line(ignored, above):
        print(f"{tree / split}: {told}")
    if not ids:
        raise RecipeError(f"{tree / split}: no {' or '.join(AUDIO_TYPES)} file in this folder")
    files = Utterances(split, root, ids, names, sizes)
    if twice := files.twice():
        sample_id, first, second = twice
        raise RecipeError(f"{second} and {first} have the same id {sample_id}: remove one of them")
    return files


def id_of(path: str) -> str:
    """The sample_id of an audio file, which its path tells.

    Example
    -------
    >>> id_of("tiny-voxceleb/train/id10012/0AXjxNXiEzo/00001.wav")
    'id10012/0AXjxNXiEzo/00001'
    """
    return "/".join(os.path.splitext(path)[0].rsplit("/", 3)[-3:])


def file_size(path: str | Path) -> int:
    """The bytes of a file; 0 for one that cannot be read, which is told where it is read."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def check_known(files: Mapping[str, Utterances], classes: Mapping[str, int]) -> None:
    """Check that the metadata has a class for each training speaker of all splits' files."""
    unknown = {}
    for split in LABELLED:
        for number, speaker in enumerate(files[split].speakers() if split in files else ()):
            if speaker not in classes:
                unknown[speaker] = split, number
    for speaker, (split, number) in unknown.items():
        more = f", as {len(unknown) - 1} others" if len(unknown) > 1 else ""
        raise RecipeError(
            f"{files[split][number].path}: speaker {speaker} has no class index in tiny_meta.csv"
            f"{more}: expected a row with this id and its idx"
        )

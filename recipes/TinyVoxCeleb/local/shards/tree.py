"""The audio tree that shards are written from: its splits, and the files of each with their ids."""

import re
from pathlib import Path

from local.corpora.audio_files import Ignored, find_audio, ignored_line
from local.errors import RecipeError, first_of
from local.shards.headers import AUDIO_TYPES

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
            f"{tree}: no audio tree here: expected at least one of the folders {', '.join(SPLITS)}"
        )
    if found:
        names = first_of(sorted(found))
        print(f"{tree}: folders that are none of {', '.join(SPLITS)} left out: {names}")
    return splits


def audio_files(tree: Path, split: str) -> list[Path]:
    """The audio files of a split, sorted by their ids.

    Raises
    ------
    RecipeError
        None; a file that is not in the folders of a speaker and a session; two with the same id;
        an id that no list can hold.
    """
    by_id, ignored, above = {}, Ignored(), None
    extensions = {f".{name}" for name in AUDIO_TYPES}
    for path in sorted(find_audio(tree / split, extensions, ignored, repeated=True)):
        parts = path.relative_to(tree).with_suffix("").parts
        if len(parts) < (3 if split == "eval" else 4):
            raise RecipeError(
                f"{path}: expected {split}/<speaker>/<session>/<utterance>{path.suffix}"
            )
        sample_id = id_of(path)
        if UNREADABLE.search(sample_id):
            raise RecipeError(
                f"{path}: a name with line breaks, control characters or bytes that are not UTF-8, "
                "which no list can hold: rename it"
            )
        if sample_id in by_id:
            raise RecipeError(
                f"{path} and {by_id[sample_id]} have the same id {sample_id}: remove one of them"
            )
        by_id[sample_id] = path
        above = len(parts) - 4 if split != "eval" else None
    if told := ignored_line(ignored, above):
        print(f"{tree / split}: {told}")
    if not by_id:
        raise RecipeError(f"{tree / split}: no {' or '.join(AUDIO_TYPES)} file in this folder")
    return [by_id[sample_id] for sample_id in sorted(by_id)]


def id_of(path: Path) -> str:
    """The sample_id of an audio file, which its path tells.

    Example
    -------
    >>> id_of(Path("tiny-voxceleb/train/id10012/0AXjxNXiEzo/00001.wav"))
    'id10012/0AXjxNXiEzo/00001'
    """
    return "/".join(path.with_suffix("").parts[-3:])


def check_known(files: dict[str, list[Path]], classes: dict[str, int]) -> None:
    """Check that the metadata has a class for each training speaker of all splits' files."""
    paths = (path for split in LABELLED for path in files.get(split, []))
    unknown = {path.parts[-3]: path for path in paths if path.parts[-3] not in classes}
    for speaker, path in unknown.items():
        more = f", as {len(unknown) - 1} others" if len(unknown) > 1 else ""
        raise RecipeError(
            f"{path}: speaker {speaker} has no class index in tiny_meta.csv{more}: expected a row "
            "with this id and its idx"
        )

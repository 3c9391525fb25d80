"""The trial lists that a corpus of VoxCeleb is to be evaluated by: found, and whom they name.

Nobody of a list that is evaluated may be trained on: VoxCeleb1-O has its speakers from VoxCeleb1's
test set, -E and -H from all of VoxCeleb1 (https://www.robots.ox.ac.uk/~vgg/data/voxceleb).
"""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from local.corpora.voxceleb.names import FIRST_VOX1, SPEAKER
from local.corpora.voxceleb.published_lists import LETTERS, identify
from local.errors import RecipeError, first_of
from local.files import split_paths
from local.layout import utterance_key
from local.stored import SHOWN, read_lines

NOTHING = "none"
DEEPEST = 2  # folders below the data folder in which a list may lie


class EvaluationList(NamedTuple):
    """A trial list that is to be evaluated.

    `target` is the name that it gets in a corpus, `title` the one for people; `utterances` has the
    ids of its trials, sorted.
    """

    path: Path
    target: str
    title: str
    num_trials: int
    utterances: list[str]

    @property
    def speakers(self) -> set[str]:
        """The speakers of the trials."""
        return {name.split("/")[0] for name in self.utterances}


def find_lists(asked: str, near: list[Path]) -> list[EvaluationList]:
    """The lists that are asked for, see `list_paths`, with what they name.

    Raises
    ------
    RecipeError
        No such list, or one named twice; a list that names no utterances.
    """
    return [read_list(path, target) for target, path in list_paths(asked, near).items()]


def list_paths(asked: str, near: list[Path]) -> dict[str, Path]:
    """The lists that letters (O, E, H) and paths name, which commas separate, by their targets.

    "none" names none. The list of a letter is looked for among the files of the data folder, see
    `files_near`.

    Raises
    ------
    RecipeError
        No such list, or one named twice.
    """
    words = split_paths(asked)
    if words == [NOTHING]:
        return {}
    found = {}
    for word in words:
        letter, path = word, Path(word)
        if word in LETTERS:
            path = find_published(letter, near)
            if path is None:
                raise RecipeError(
                    f"--evaluate {word}: no {' or '.join(LETTERS[word])} in the data folder: copy "
                    "the list there, or name its path"
                )
        elif path.is_file():
            letters = (key for key, names in LETTERS.items() if path.name in names)
            letter = next(letters, path.stem)
        else:
            raise RecipeError(
                f"--evaluate {word}: expected {', '.join(LETTERS)}, {NOTHING}, or the path of a "
                "trial list, separated by commas"
            )
        target = "eval_trials.txt" if letter == "O" else f"eval_trials_{letter}.txt"
        if target in found:
            raise RecipeError(f"--evaluate {asked}: {word} is there twice: name each list once")
        found[target] = path
    return found


def find_published(letter: str, near: list[Path]) -> Path | None:
    """The list of a letter among some files: the cleaned edition where there are both."""
    for name in LETTERS[letter]:
        if paths := [path for path in near if path.name == name]:
            return paths[0]
    return None


def read_list(path: Path, target: str) -> EvaluationList:
    """The trials of a list counted, and the utterances that they name.

    What is wrong with a trial beyond that is told when it is scored.
    """
    names, count, head = set(), 0, ""
    for number, line in enumerate(read_lines(path, "trial list"), start=1):
        fields = line.replace(",", " ").split()
        ids = [field for field in fields if "/" in field]
        if not fields or fields[0] == "#" or (number == 1 and not ids):
            head = head or line
            continue
        if len(ids) != 2:
            raise RecipeError(
                f"{path}:{number}: expected a trial 'label id1 id2' with two ids as "
                f"id10270/5r0dWxy17C8/00001.wav, found {len(ids)} of them"
            )
        names.update(ids)
        count += 1
    if not count:
        found = (
            f", only {head.strip()[:SHOWN]!r}: expected lines 'label id1 id2'"
            if head.strip()
            else ""
        )
        raise RecipeError(f"{path}: the trial list is empty{found}")
    utterances = sorted({utterance_key(name) for name in names})
    speakers = {name.partition("/")[0] for name in utterances}
    title, unlike = identify(path, count, None, len(speakers))
    return EvaluationList(path, target, title or unlike or path.name, count, utterances)


def read_overlap(path: str | Path) -> set[str]:
    """The speakers of VoxCeleb2 who are in VoxCeleb1 too, by a list of them or of pairs.

    Raises
    ------
    RecipeError
        No speaker of VoxCeleb2 in it.
    """
    lines = read_lines(path, "list of speakers who are in VoxCeleb1 and in VoxCeleb2")
    ids = {speaker for line in lines for speaker in re.findall(r"\bid\d{5}\b", line)}
    if not (found := {speaker for speaker in ids if speaker < FIRST_VOX1}):
        raise RecipeError(
            f"{path}: no speaker of VoxCeleb2 in it, as id00012: found {first_of(sorted(ids))}"
            f"{'' if ids else 'none at all'}; expected one a line, or one of each part"
        )
    return found


def find_overlap(near: list[Path]) -> Path | None:
    """The list of the speakers who are in both parts, which its name tells."""
    return next((path for path in near if "overlap" in path.name.lower()), None)


def files_near(data_folder: str | Path) -> Iterator[Path]:
    """The text files of a data folder and its folders, those above first, but not of speakers."""
    folders = [Path(data_folder)]
    for _ in range(DEEPEST + 1):
        below = []
        for folder in folders:
            found = []
            with contextlib.suppress(PermissionError), os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
            for entry in found:
                if entry.name.startswith(".") or SPEAKER.fullmatch(entry.name):
                    continue
                if entry.name.endswith((".txt", ".csv")):
                    yield Path(entry.path)
                elif entry.is_dir():
                    below.append(entry.path)
        folders = below

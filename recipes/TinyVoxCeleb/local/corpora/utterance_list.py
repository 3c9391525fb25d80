"""Which utterances a corpus has that was chosen from another folder, and where their audio lies.

<corpus>/utterances.csv has a row an utterance, with its split, its id "speaker/session/utterance"
and the path of its audio, where it lies. In place of a folder of audio files, the path may go
through a zip archive, as in /data/vox1_dev_wav.zip/wav/id10001/1zcIwhmdeo4/00001.wav. Splits and
ids alone are the choice, which makes the same corpus again from another download.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from local.errors import RecipeError
from local.files import atomic_file
from local.stored import read_lines

UTTERANCES_FILE = "utterances.csv"
COLUMNS = ("split", "id", "path")


class Listed(NamedTuple):
    """An utterance of such a list; `path` is "" where only the choice is told."""

    split: str
    id: str
    path: str


def write_utterances(corpus: str | Path, splits: Mapping[str, Iterable[tuple[str, str]]]) -> None:
    """Write the list of a corpus: by split, ids and paths, in the order given."""
    with atomic_file(Path(corpus) / UTTERANCES_FILE, "wb") as fout:
        writer = csv.writer(_Encoded(fout), lineterminator="\n")
        writer.writerow(COLUMNS)
        for split, utterances in splits.items():
            writer.writerows((split, *utterance) for utterance in utterances)


class _Encoded:
    """What the csv module writes text to; names of files may hold bytes that are not UTF-8."""

    def __init__(self, file):
        self._file = file

    def write(self, text):
        self._file.write(text.encode("utf-8", "surrogateescape"))


def read_utterances(path: str | Path) -> Iterator[Listed]:
    """The utterances of a list, in its order; the column `path` may be missing.

    Raises
    ------
    RecipeError
        No such file, other columns, or a row without split or id.
    """
    lines = read_lines(path, "list of utterances, a CSV with the columns split, id and path")
    reader = csv.reader(lines)
    head = next(reader, [])
    if any(name not in head for name in COLUMNS[:2]):
        raise RecipeError(
            f"{path}:1: found the columns {', '.join(head) or 'none'}; expected "
            f"{', '.join(COLUMNS)}"
        )
    places = [head.index(name) if name in head else None for name in COLUMNS]
    for row in reader:
        values = [row[place] if place is not None and place < len(row) else "" for place in places]
        if not (values[0] and values[1]):
            raise RecipeError(f"{path}:{reader.line_num}: expected a split, an id and a path")
        yield Listed(*values)

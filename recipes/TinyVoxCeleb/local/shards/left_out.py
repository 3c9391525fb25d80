"""Audio that cannot go into shards: told of with a list of it, or left out with its trials.

<shards>/bad_audio.csv      split, id and path of each file, and what is wrong with it
<shards>/trials/*.txt       the trial lists of the corpus, without trials of what was left out

The lists of the corpus stay as they are: what was mended may be written into other shards.
"""

import csv
import io
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from local.errors import RecipeError, first_of
from local.files import atomic_file
from local.layout import utterance_key

BAD_AUDIO = "bad_audio.csv"
TRIALS = "trials"
LEFT_OUT = "cannot be read, and are left out"  # as a kind of fault of files, see `Record`
MOST = 0.05  # of all files: where more are bad, a disk or a package is


class Bad(NamedTuple):
    """An audio file that cannot go into shards."""

    split: str
    id: str
    path: str
    reason: str


def report_bad(bad: Collection[Bad], count: int, out: Path) -> None:
    """Raise a RecipeError that tells of all bad files, of so many, once a list of them is written.

    Nothing is done where there are none.
    """
    if not bad:
        return
    path = _write_list(bad, out)
    raise RecipeError(
        f"{len(bad)} of {count} audio files cannot go into shards: {_first(bad)}; {path} has all "
        "of them: mend them, or leave them out with --skip_bad, and give the same command again; "
        "shards without them stay"
    )


def check_few(bad: Collection[Bad], count: int, lost: Collection[str], out: Path) -> None:
    """Check that what is to be left out, of so many files, is little; else it is a RecipeError.

    `lost` are the speakers to train on, and the splits, of whom nothing would be left.
    """
    if len(bad) <= max(1, MOST * count) and not lost:
        return
    path = _write_list(bad, out)
    why = f"more than {MOST:.0%}"
    if lost:
        why = f"all there is of {first_of(lost)}"
    raise RecipeError(
        f"{len(bad)} of {count} audio files cannot go into shards, {why}, which --skip_bad does "
        f"not leave out: {_first(bad)}; {path} has all of them: look whether a disk or a package "
        "is at fault, mend them, and give the same command again; shards without them stay"
    )


def write_left_out(bad: list[Bad], kept: Collection[str], tree: Path, out: Path) -> list[str]:
    """Write the list of what is left out, and the trial lists without it; tells what these lose.

    Splits that are `kept` from an earlier call keep their part of the list.
    """
    path, told = out / BAD_AUDIO, []
    if path.is_file():
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            rows = [row for row in csv.reader(file) if len(row) == len(Bad._fields)]
        bad = bad + [Bad(*row) for row in rows if row[0] in kept]
    if not bad:
        path.unlink(missing_ok=True)
        shutil.rmtree(out / TRIALS, ignore_errors=True)
        return []
    _write_list(bad, out)
    ids = {utterance_key(each.id) for each in bad}
    for source in sorted(tree.glob("*trials*.txt")):
        whole = source.read_bytes().decode("utf-8", "surrogateescape").splitlines(True)
        lines = [line for line in whole if ids.isdisjoint(_keys(line))]
        place = out / TRIALS / source.name
        _write(place, "".join(lines))
        if fewer := len(whole) - len(lines):
            told.append(
                f"warning: {fewer} of {len(whole)} trials of {source} name audio that is left out: "
                f"those without it are in {place}"
            )
    return told


def _keys(line):
    return map(utterance_key, line.replace(",", " ").split())


def _write_list(bad: Iterable[Bad], out: Path) -> Path:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([Bad._fields, *sorted(bad)])
    _write(out / BAD_AUDIO, text.getvalue())
    return out / BAD_AUDIO


def _write(path, text):
    """Write a file that has another content yet: what was scored is older than its trials else."""
    content = text.encode("utf-8", "surrogateescape")
    if not path.is_file() or path.read_bytes() != content:
        with atomic_file(path, "wb") as file:
            file.write(content)


def _first(bad):
    return first_of([f"{each.path}: {each.reason}" for each in bad], joiner="; ")

"""Damaged speaker tables; and how many damaged files all the tests throw at their readers."""

import importlib.util
from collections import Counter
from pathlib import Path

from damaging import LINES, THROWN, read_watched, rounds_of, thrown
from local.layout import composed
from local.metadata import read_classes, read_speakers, read_table

TESTS = Path(__file__).parent
HEADS = ["id,gender,nationality,set,idx", "idx;id;Sex", "VoxCeleb1 ID\tid\tidx\tGender"]
SPEAKERS = ["id10012", "Jürgen", "id3", "id4", "o'neill", "x y"]


def make_table(rng):
    """A table in one of the forms that are read; the last speakers have no class."""
    head = rng.choice(HEADS)
    delimiter = next(mark for mark in ",;\t" if mark in head)
    lines = [head]
    for number, speaker in enumerate(SPEAKERS):
        values = {"id": speaker, "idx": str(number) if number < 4 else "", "set": "dev"}
        values["nationality"] = rng.choice(["", '"Korea, Republic of"', "Perú"])
        names = head.lower().split(delimiter)
        lines.append(delimiter.join(values.get(name, rng.choice("fm")) for name in names))
    return "".join(f"{line}\n" for line in lines).encode()


@thrown(LINES, "speaker table")
def test_damaged_speaker_tables(tmp_path, rounds):
    path = tmp_path / "tiny_meta.csv"
    for rng in rounds:
        path.write_bytes(rounds.damage(rng, make_table(rng)))
        table = read_watched(read_table, path)
        classes = read_watched(read_classes, path)
        speakers = read_watched(read_speakers, path)
        if table is None:
            assert classes is speakers is None
            continue
        if classes is not None:
            found = [idx for idx in classes.values() if idx is not None]
            assert all(type(idx) is int and 0 <= idx < 2**31 for idx in found)
            assert len(set(found)) == len(found)
            assert "" not in classes
        for speaker, info in (speakers or {}).items():
            assert speaker == composed(speaker) and "\n" not in speaker + info.nationality


def test_they_are_as_many_as_promised():
    counts = Counter()
    for path in sorted(TESTS.rglob("test_damaged_*.py")):
        for test in vars(imported(path)).values():
            for rounds in rounds_of(test):
                counts[rounds.kind] += len(list(rounds))
    assert counts.keys() == THROWN.keys() and counts >= Counter(THROWN)
    assert counts.total() >= 2000


def imported(path):
    """A module of tests, also where pytest was not asked for it."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

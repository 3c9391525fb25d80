"""What VoxCeleb's tables, vox1_meta.csv and vox2_meta.csv, tell of its speakers."""

from collections.abc import Collection
from typing import NamedTuple

from local.corpora.voxceleb.names import SPEAKER, side_of
from local.errors import RecipeError
from local.layout import composed
from local.metadata import GENDER_COLUMNS, read_table

COUNTRIES = ("nationality", "country")
SIDES = ("set", "split", "subset")


class Told(NamedTuple):
    """What a row tells: sex "f", "m" or "", nationality, and "dev" or "test" or ""."""

    sex: str
    nationality: str
    side: str


def read_people(tables: Collection[str]) -> tuple[dict[str, Told], dict[str, str], list[str]]:
    """What tables tell of speakers, by their ids; ids by the names they had at first; and notes.

    Columns may be called otherwise, but that of the ids is the one that holds them. Where tables
    contradict each other, the one in the fewest folders counts, and its first row.
    """
    people, ids, notes = {}, {}, []
    for path in sorted(tables, key=lambda path: (path.count("/"), path)):
        try:
            table = read_table(path)
        except RecipeError as error:
            notes.append(f"ignored: {error}")
            continue
        rows = [row for _, row in table.rows]
        column = max(table.columns, key=lambda name: _ids_in(rows, name), default="")
        if not _ids_in(rows, column):
            notes.append(f"ignored: {path}: no column with ids of speakers, such as id10001")
            continue
        names = [name for name in table.columns if name.startswith("vggface") or name == "name"]
        contradicted = []
        for row in rows:
            told = _told(row, table)
            speaker = row.get(column, "")
            before = people.get(speaker, told)
            people[speaker] = Told(*(a or b for a, b in zip(before, told, strict=True)))
            if any(a and b and a != b for a, b in zip(before, told, strict=True)):
                contradicted.append(speaker)
            for name in names:
                ids.setdefault(composed(row.get(name, "")), speaker)
        if contradicted:
            notes.append(
                f"{path}: contradicts a table before it, or itself, about {len(contradicted)} "
                f"speakers ({contradicted[0]}), where what is told first counts"
            )
    return people, ids, notes


def _told(row, table):
    sex, nationality, side = (
        row.get(table.first_column(names), "") for names in (GENDER_COLUMNS, COUNTRIES, SIDES)
    )
    sex = sex.lower()[:1]
    return Told(sex if sex in ("f", "m") else "", nationality, side_of([side]))


def _ids_in(rows, column):
    return sum(bool(SPEAKER.fullmatch(row.get(column, ""))) for row in rows)

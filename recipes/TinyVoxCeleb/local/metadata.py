"""Tables of speakers, such as tiny_meta.csv: CSV files with a row a speaker."""

import csv
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.errors import RecipeError
from local.files import atomic_file
from local.layout import META_FILE, composed
from local.stored import read_lines

META_COLUMNS = ("id", "gender", "nationality", "set", "idx")  # of tiny_meta.csv
ID_COLUMNS = ("id", "speaker", "speaker_id", "spk", "spk_id", "voxceleb1_id", "voxceleb2_id")
GENDER_COLUMNS = ("gender", "sex")
MOST_CLASSES = 1 << 31
SEXES = {"f": "female", "m": "male"}


@dataclass(frozen=True)
class SpeakerTable:
    """The content of a CSV file.

    Attributes
    ----------
    columns : list of str
        Names in lower case, with "_" for blanks, in the order of the file.
    rows : list of (str, dict of str to str)
        Each row's place, "file:line", and its values by column; a row may end before the last.
    """

    path: Path
    columns: list
    rows: list

    def first_column(self, names: Iterable[str]) -> str | None:
        """The first of several names that the table has a column of."""
        return next((name for name in names if name in self.columns), None)


@dataclass(frozen=True)
class SpeakerInfo:
    """One speaker, "" for what is not told.

    Attributes
    ----------
    sex : str
        "female" or "male", else as the file has it.
    known : str
        "known" for a training speaker, who has a class index; else "unknown".
    """

    sex: str
    nationality: str
    known: str


def read_table(path: str | Path, required: Collection[str] = ()) -> SpeakerTable:
    """Read a CSV file whose values are separated by commas, semicolons or tabs.

    Bytes that are not UTF-8 become "�", but for those of ids, which may be names of files.

    Raises
    ------
    RecipeError
        No such file, not a CSV file, no column of a required name or two of one name, or a row with
        more values than columns, where any of them may be that of another column.

    Example
    -------
    >>> path = getfixture("tmp_path") / "people.csv"
    >>> _ = path.write_text("Speaker ID; Sex\\nann; f\\nbob\\n")
    >>> [values for _, values in read_table(path).rows]
    [{'speaker_id': 'ann', 'sex': 'f'}, {'speaker_id': 'bob'}]
    """
    path = Path(path)
    columns = f", a CSV with the columns {' and '.join(required)}" if required else ", a CSV"
    text = list(read_lines(path, "metadata file" + columns))
    delimiter = max(",;\t", key=(text or [""])[0].count)
    reader = csv.reader(text, delimiter=delimiter, skipinitialspace=True)
    try:
        lines = [(reader.line_num, [value.strip() for value in row]) for row in reader]
    except csv.Error as error:
        raise RecipeError(f"{path}:{reader.line_num}: not a row of a CSV file ({error})") from None
    lines = [(line, row) for line, row in lines if any(row)]
    columns = [name.lower().replace(" ", "_") for name in lines[0][1]] if lines else []
    if missing := [name for name in required if name not in columns]:
        raise RecipeError(
            f"{path}: column {' and '.join(missing)} is missing: found "
            f"{', '.join(columns) or 'none'}; expected at least {' and '.join(required)}"
        )
    if double := [name for name, count in Counter(filter(None, columns)).items() if count > 1]:
        raise RecipeError(
            f"{path}: column {' and '.join(double)} comes twice: expected each once, as only one "
            "of them can count; rename the other, or take it out"
        )
    for line, row in lines[1:]:
        if any(row[len(columns) :]):
            raise RecipeError(
                f"{path}:{line}: {len(row)} values, but the head has {len(columns)} columns: put "
                f"values that hold {delimiter!r} between double quotes, or name all columns"
            )
        if any(re.search(r"[\r\n]", value) for value in row):
            raise RecipeError(
                f"{path}:{line}: a value that ends only there goes over several lines: mend the "
                "double quote with which it begins"
            )
    rows = [(f"{path}:{line}", _values_by_column(columns, row)) for line, row in lines[1:]]
    return SpeakerTable(path, columns, rows)


def _values_by_column(columns, row):
    values = dict(zip(columns, row, strict=False))
    for name in values.keys() - set(ID_COLUMNS):
        values[name] = values[name].encode(errors="surrogateescape").decode(errors="replace")
    return values


def read_speakers(path: str | Path) -> dict[str, SpeakerInfo]:
    """Read what a table with a column `id` tells of each speaker; other columns may be missing.

    Rows of one speaker may repeat each other, or tell what another leaves empty.

    Raises
    ------
    RecipeError
        See `read_table`; rows that contradict each other.

    Example
    -------
    >>> path = getfixture("tmp_path") / META_FILE
    >>> _ = path.write_text("id,gender,idx\\nid10012,f,0\\nid10020,M,\\n")
    >>> read_speakers(path)["id10020"]
    SpeakerInfo(sex='male', nationality='', known='unknown')
    """
    table = read_table(path, required=("id",))
    gender_column = table.first_column(GENDER_COLUMNS)
    classes_told = "idx" in table.columns
    told = {}
    for place, row in table.rows:
        gender = row.get(gender_column, "")
        known = ("known" if row.get("idx") else "unknown") if classes_told else ""
        values = {
            "sex": SEXES.get(gender.lower()[:1], gender),
            "nationality": row.get("nationality", ""),
            "known": known,
        }
        speaker = composed(row.get("id", ""))
        before = told.setdefault(speaker, {})
        for name, value in values.items():
            other, where = before.setdefault(name, (value, place))
            if value and other and value != other:
                what = f"its {name} is {other!r} in {where} and {value!r} here"
                raise RecipeError(f"{place}: {speaker} has two rows: {what}; keep the right one")
            if value and not other:
                before[name] = (value, place)
    return {
        speaker: SpeakerInfo(**{name: value for name, (value, _) in found.items()})
        for speaker, found in told.items()
    }


def read_classes(path: str | Path) -> dict[str, int | None]:
    """Read the class index of each speaker, None where the column `idx` is empty.

    Raises
    ------
    RecipeError
        Also for a class index that is no integer from 0, that of another speaker, or another one
        of this speaker; and for a row without an id.
    """
    classes, speakers = {}, {}
    for place, row in read_table(path, required=("id", "idx")).rows:
        if "id" not in row:
            raise RecipeError(f"{place}: the row ends before its id: expected one, or no row")
        speaker, text = row["id"], row.get("idx", "")
        idx = _class_index(text, place) if text else None
        if not speaker:
            raise RecipeError(f"{place}: the id is empty: expected one, or no row")
        if classes.setdefault(speaker, idx) != idx:
            raise RecipeError(f"{place}: {speaker} has another idx in a row before; keep one row")
        if idx is not None and speakers.setdefault(idx, speaker) != speaker:
            raise RecipeError(f"{place}: idx {idx} is that of {speakers[idx]} too: give one each")
    return classes


def _class_index(text, place):
    try:
        number = float(text)  # pandas writes a column of integers with gaps as 0.0, 1.0, ...
    except ValueError:
        number = math.nan
    if not number.is_integer() or not 0 <= number < MOST_CLASSES:
        raise RecipeError(f"{place}: idx is {text!r}: expected an integer from 0, or nothing")
    return int(number)


def write_meta(
    corpus: str | Path,
    *,
    train_speakers: Iterable[str],
    dev_speakers: Iterable[str],
    eval_speakers: Iterable[str] = (),
    gender: Mapping[str, str] | None = None,
    nationality: Mapping[str, str] | None = None,
) -> None:
    """Write the table tiny_meta.csv of a corpus.

    Training speakers get class indices from 0 in sorted order, all others none.
    """
    gender, nationality = gender or {}, nationality or {}
    with atomic_file(Path(corpus) / META_FILE) as fout:
        writer = csv.writer(fout, lineterminator="\n")
        writer.writerow(META_COLUMNS)
        rows = [(speaker, "train", idx) for idx, speaker in enumerate(sorted(train_speakers))]
        for split, speakers in (("dev", dev_speakers), ("eval", eval_speakers)):
            rows += [(speaker, split, "") for speaker in sorted(speakers)]
        for speaker, split, idx in rows:
            row = (speaker, gender.get(speaker, ""), nationality.get(speaker, ""), split, idx)
            writer.writerow(row)

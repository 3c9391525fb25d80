"""What tiny_meta.csv tells of the speakers: sex, nationality, whether they are trained on."""

import csv
from dataclasses import dataclass
from pathlib import Path

from local.errors import RecipeError

SEXES = {"f": "female", "m": "male"}


@dataclass(frozen=True)
class SpeakerInfo:
    """One speaker, "" for what is not told.

    Arguments
    ---------
    sex : str
        "female" or "male", else as the file has it.
    nationality : str
    known : str
        "known" for a training speaker, who has a class index; else "unknown".
    """

    sex: str
    nationality: str
    known: str


def read_speakers(path):
    """Read a metadata file; columns other than `id` may be missing.

    Arguments
    ---------
    path : str or Path
        A CSV file with a row a speaker and the columns id, gender or sex, nationality, idx.

    Returns
    -------
    dict of str to SpeakerInfo

    Raises
    ------
    RecipeError
        No such file, or no column `id`.

    Example
    -------
    >>> path = getfixture("tmp_path") / "tiny_meta.csv"
    >>> _ = path.write_text("id,gender,idx\\nid10012,f,0\\nid10020,M,\\n")
    >>> read_speakers(path)["id10020"]
    SpeakerInfo(sex='male', nationality='', known='unknown')
    """
    path = Path(path)
    if not path.is_file():
        raise RecipeError(f"{path}: no such metadata file")
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as fin:
        reader = csv.DictReader(fin, skipinitialspace=True)
        names = {name.strip().lower(): name for name in reader.fieldnames or [] if name}
        if "id" not in names:
            raise RecipeError(f"{path}: no column id; found {', '.join(names) or 'an empty file'}")

        def value(row, *columns):
            column = next((names[column] for column in columns if column in names), None)
            return (row.get(column) or "").strip()

        speakers = {}
        for row in _rows(reader, path):
            gender = value(row, "gender", "sex")
            known = ("known" if value(row, "idx") else "unknown") if "idx" in names else ""
            speakers[value(row, "id")] = SpeakerInfo(
                SEXES.get(gender.lower()[:1], gender), value(row, "nationality"), known
            )
    return speakers


def _rows(reader, path):
    try:
        yield from reader
    except csv.Error as error:
        raise RecipeError(f"{path}:{reader.line_num}: not a row of a CSV file ({error})") from None

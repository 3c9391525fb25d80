"""Sex and nationality of speakers from a CSV file that lies beside their folders."""

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

from local.corpora.speaker_tree import clean
from local.errors import RecipeError

ID_COLUMNS = ("id", "speaker", "speaker_id", "spk", "spk_id", "voxceleb1_id", "voxceleb2_id")
GENDER_COLUMNS = ("gender", "sex")
NATIONALITY_COLUMNS = ("nationality",)


@dataclass
class SpeakerMetadata:
    """What a metadata file tells about the speakers of a tree.

    Arguments
    ---------
    gender : dict of str to str
        As the file has it, for the speakers it knows.
    nationality : dict of str to str
    notes : list of str
        Which files were used and which were not, for the user.
    """

    gender: dict = field(default_factory=dict)
    nationality: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)

    @property
    def sex(self):
        """The gender in one spelling (f for f, F, female), to compare speakers by."""
        return {speaker: gender.lower()[0] for speaker, gender in self.gender.items()}


def read_metadata(data_folder, speakers):
    """Read the first ``*.csv`` at the root of a tree that tells the sex of its speakers.

    Separators are comma, semicolon or tab; columns are found by name (`ID_COLUMNS`,
    `GENDER_COLUMNS`), whatever their case.

    Arguments
    ---------
    data_folder : str or Path
    speakers : collection of str
        The speakers of the tree; others in the file do not matter.

    Returns
    -------
    SpeakerMetadata

    Raises
    ------
    RecipeError
        If a file contradicts itself about the gender of a speaker.
    """
    metadata = SpeakerMetadata()
    for path in sorted(Path(data_folder).glob("*.csv")):
        if path.name.startswith("."):
            continue
        if metadata.gender:
            metadata.notes.append(f"{path.name} ignored: only one metadata file is used")
            continue
        rows = _rows(path)
        columns = [_column(rows, names) for names in (ID_COLUMNS, GENDER_COLUMNS)]
        if None in columns:
            metadata.notes.append(
                f"{path.name} ignored: no column {'/'.join(ID_COLUMNS[:4])} with a column "
                f"{'/'.join(GENDER_COLUMNS)}"
            )
            continue
        metadata.gender = _values(path, rows, *columns, speakers)
        nationality = _column(rows, NATIONALITY_COLUMNS)
        if nationality is not None:
            metadata.nationality = _values(path, rows, columns[0], nationality, speakers)
        metadata.notes.append(
            f"{path.name} tells the gender of {len(metadata.gender)} of {len(speakers)} speakers"
        )
    return metadata


def _rows(path):
    """All rows of a file, the header's names normalised; none if it is not a table."""
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    header = text.partition("\n")[0]
    try:
        rows = list(csv.reader(io.StringIO(text), delimiter=max(",;\t", key=header.count)))
    except csv.Error:
        return []
    if rows:
        rows[0] = [name.strip().lower().replace(" ", "_") for name in rows[0]]
    return rows


def _column(rows, names):
    header = rows[0] if rows else []
    return next((header.index(name) for name in names if name in header), None)


def _values(path, rows, id_column, column, speakers):
    """The non-empty values of a column, by speaker of the tree."""
    values = {}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) <= max(id_column, column):
            continue
        speaker, value = clean(row[id_column].strip()), row[column].strip()
        if not value or speaker not in speakers:
            continue
        if values.setdefault(speaker, value) != value:
            raise RecipeError(
                f"{path}:{number}: {rows[0][column]} of {speaker} is {value!r}, but a line above "
                f"says {values[speaker]!r}: correct one of them"
            )
    return values

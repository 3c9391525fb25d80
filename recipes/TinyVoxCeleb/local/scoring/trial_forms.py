"""The forms in which toolkits write a trial on a line, and which of them a list has.

Ours, and that of VoxCeleb, is ``label id1 id2``; Kaldi, WeSpeaker and 3D-Speaker write
``id1 id2 target`` or ``nontarget``, NeMo ``id1 id2 1``; tables have commas between. Lists without
labels may have the two ids alone. A list is of one form throughout: what its first lines leave open
is settled by those that follow.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from local.errors import RecipeError
from local.scoring.lines import shown

NUMBERS = {"1": 1, "0": 0, "-1": -1, "1.0": 1, "0.0": 0, "-1.0": -1}
NUMBERS |= {"+1": 1, "1.00": 1, "0.00": 0}
WORDS = {  # in capitals too
    **{"target": 1, "nontarget": 0, "non-target": 0, "non_target": 0},
    **{"imposter": 0, "impostor": 0, "true": 1, "false": 0},
    **{"tgt": 1, "imp": 0, "non": 0, "same": 1, "different": 0, "diff": 0},
}
LABELS = NUMBERS | WORDS
BYTE_ORDER_MARK = "\ufeff"  # within a list where one file was appended to another


class Form(NamedTuple):
    """One way to write a trial.

    Attributes
    ----------
    separator : str or None
        Between the fields; None for blanks and tabs.
    label : int or None
        The place of the label, 0 or 2; None where there is none.
    labels : dict of str to int
        What the labels mean: 1, 0 or -1.
    """

    separator: str | None
    label: int | None
    labels: dict[str, int]

    def parse(self, line: str) -> tuple[int, str, str] | None:
        """Label and ids of a line, None for one of another form."""
        if self.separator is None:
            fields = line.split()
        else:
            fields = [field.strip().strip('"') for field in line.split(self.separator)]
            if any(len(field.split()) != 1 for field in fields):
                return None
        if self.label is None:
            # A label here is a trial of which an id is missing.
            known = len(fields) == 2 and not any(field.lower() in LABELS for field in fields)
            return (-1, *fields) if known else None
        if len(fields) != 3:
            return None
        label = self.labels.get(fields.pop(self.label).lower())
        return None if label is None else (label, *fields)

    def __str__(self):
        fields = ["id1", "id2"]
        if self.label is not None:
            fields.insert(self.label, "1|0|-1" if self.labels is NUMBERS else "target|nontarget")
        return repr((self.separator or " ").join(fields))


FORMS = [
    Form(separator, label, labels)
    for separator in (None, ",", ";")
    for label in (0, 2)
    for labels in (NUMBERS, WORDS)
] + [Form(separator, None, {}) for separator in (None, ",", ";")]


def find_form(lines: Iterable[str], path: str) -> Form | None:
    """The only form that the lines have, None where all of them are empty.

    Raises
    ------
    RecipeError
        A line of no form, or of another one than those before; lines that all have several.
    """
    forms, last = FORMS, None
    for number, line in enumerate(lines, start=1):
        if not _clean(line).strip():
            continue
        fitting = [form for form in forms if form.parse(_clean(line))]
        if not fitting:
            raise malformed(path, number, line, forms[0] if len(forms) < len(FORMS) else None)
        # "id1, id2, 1" is no list of ids that end in commas.
        forms = [form for form in fitting if form.separator] or fitting
        if len(forms) == 1:
            return forms[0]
        last = line
    if last is None:
        return None
    raise RecipeError(
        f"{path}: each line can be read as {' and as '.join(map(str, forms))}, as {shown(last)}: "
        "ids look like labels; give the ids other names, or write target and nontarget"
    )


def parse_lines(lines: Iterable[str], form: Form, path: str) -> Iterator[tuple[int, str, str]]:
    """Label and ids of each line of a form; an empty line is skipped.

    Raises
    ------
    RecipeError
        A line of another form.
    """
    place, labels, usual = form.label, form.labels, form.separator is None and form.labels
    for number, line in enumerate(lines, start=1):
        if usual:  # blanks, without a call a line
            fields = line.split()
            if len(fields) == 3:
                label = labels.get(fields.pop(place))
                if label is not None:
                    yield label, *fields
                    continue
        line = _clean(line)
        if line.strip():
            parsed = form.parse(line)
            if parsed is None:
                raise malformed(path, number, line, form)
            yield parsed


def malformed(path: str, number: int, line: str, form: Form | None) -> RecipeError:
    """The error for a line that is not of a form, or of none."""
    expected = (
        "'label id1 id2' with label 1 (same speaker), 0 (different) or -1 (unknown), or "
        "'id1 id2 label', or target and nontarget as labels, or 'id1 id2' without labels"
    )
    if form and (form != FORMS[0] or any(other.parse(line) for other in FORMS)):
        expected = f"{form} as in the lines before, as a list has one form throughout"
    head = "; if it is a head, remove it" if number == 1 else ""
    return RecipeError(
        f"{path}:{number}: malformed trial {shown(line)}: expected {expected}; no id may hold "
        f"blanks{head}"
    )


def _clean(line):
    return line.replace(BYTE_ORDER_MARK, "")

"""The forms in which toolkits write a trial on a line, and which of them a list has.

Ours, and that of VoxCeleb, is ``label id1 id2``; Kaldi, WeSpeaker and 3D-Speaker write
``id1 id2 target`` or ``nontarget``, NeMo ``id1 id2 1``; tables have commas between. Lists without
labels may have the two ids alone. A list is of one form throughout: what its first lines leave open
is settled by those that follow. Comments, after a #, and a head line with the names of columns are
read past.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from local.errors import RecipeError
from local.scoring.lines import shown

WRITTEN = (*(f".{digits}f" for digits in range(7)), ".18e")  # as printf and numpy write numbers
NUMBERS = {f"{label:{form}}": label for label in (1, 0, -1) for form in WRITTEN}
NUMBERS |= {f"+{text}": label for text, label in NUMBERS.items() if label >= 0}
WORDS = {  # in capitals too
    **dict.fromkeys(["target", "tgt", "tar", "true", "same", "genuine", "positive", "pos"], 1),
    **dict.fromkeys(
        ["nontarget", "non-target", "non_target", "nontgt", "nontar", "non", "false"], 0
    ),
    **dict.fromkeys(["imposter", "impostor", "imp", "different", "diff", "negative", "neg"], 0),
}
LABELS = NUMBERS | WORDS
LABEL_COLUMN = r"(is_?)?(label|target|same|truth|key|class|match|gt)(_?speaker)?s?"
ID_COLUMN = (
    r"(enroll?|enrolment|enrollment|test|ref(erence)?|model|id|utt(erance)?|seg|segment|wav|audio|"
    r"file|path|spk|"
    r"speaker|sample|left|right|first|second)"
)
COLUMN = re.compile(f"{LABEL_COLUMN}|({ID_COLUMN}[-_]?)+(name)?s?[-_]?[012ab]?")
DIGITS = "0123456789"
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
        fields = split_fields(line, self.separator)
        if fields is None:
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


def split_fields(line: str, separator: str | None) -> list[str] | None:
    """The fields of a line, None where one of several with a separator is empty or holds blanks."""
    if separator is None:
        return line.split()
    fields = [field.strip().strip('"') for field in line.split(separator)]
    return None if any(len(field.split()) != 1 for field in fields) else fields


def find_head(lines: Iterable[str], forms: Iterable = FORMS) -> int:
    """The number of the head line, 0 where there is none, in lines that are to be of some forms.

    It has nothing but names of columns, and where these could be a line of a form, no other has ids
    like it.

    Example
    -------
    >>> find_head(["enroll test label", "a/x/0 b/y/0 1"]), find_head(["utt1 utt2", "utt1 utt3"])
    (1, 0)
    """
    rest = ((number, clean(line)) for number, line in enumerate(lines, start=1) if line.strip())
    rest = (pair for pair in rest if not pair[1].lstrip().startswith("#"))
    number, line = next(rest, (0, ""))
    fields = _fields(line)
    if len(fields) < 2 or not all(map(COLUMN.fullmatch, fields)):
        return 0
    if not any(form.parse(line) for form in forms):
        return number
    stems = {field.rstrip(DIGITS) for field in fields}
    later = {field for _, other in rest for field in _fields(other)} - LABELS.keys()
    alike = any(name.rstrip(DIGITS) in stems or COLUMN.fullmatch(name) for name in later)
    return 0 if alike or not later else number


def find_form(lines: Iterable[str], path: str, head: int = 0) -> Form | None:
    """The only form that the lines have, but for comments and a head line; None without a trial.

    Raises
    ------
    RecipeError
        A line of no form, or of another one than those before; lines that all have several.
    """
    forms, last = FORMS, None
    rest = ((number, clean(line)) for number, line in enumerate(lines, start=1))
    for number, line in rest:
        if not line.strip() or number == head or line.lstrip().startswith("#"):
            continue
        fitting = [form for form in forms if form.parse(line)]
        if not fitting:
            following = next((other for _, other in rest if other.strip()), "")
            titled = last is None and any(form.parse(following) for form in FORMS)
            raise malformed(path, number, line, None if last is None else forms[0], titled)
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


def parse_lines(
    lines: Iterable[str], form: Form, path: str, head: int = 0
) -> Iterator[tuple[int, str, str]]:
    """Label and ids of each line of a form; empty lines, comments and the head line are skipped.

    Raises
    ------
    RecipeError
        A line of another form.
    """
    place, labels, usual = form.label, form.labels, form.separator is None and form.labels
    for number, line in enumerate(lines, start=1):
        if usual:  # blanks, without a call a line
            fields = line.split()
            if len(fields) == 3 and number != head:
                label = labels.get(fields.pop(place))
                if label is not None and fields[0] != "#":
                    yield label, *fields
                    continue
        if not is_skipped(number, line, form, head):
            parsed = form.parse(clean(line))
            if parsed is None:
                raise malformed(path, number, line, form)
            yield parsed


def is_skipped(number: int, line: str, form: Form, head: int) -> bool:
    """Whether a line holds no trial: it is empty, the head line, or a comment, which begins with #.

    What begins with # and is of the form is a trial, as an id may begin so.
    """
    line = clean(line).lstrip()
    if number == head or not line:
        return True
    return line.startswith("#") and (line.split()[0] == "#" or form.parse(line) is None)


def malformed(
    path: str, number: int, line: str, form: Form | None, titled: bool = False
) -> RecipeError:
    """The error for a line that is not of a form, or of none; the first one may be a head line."""
    expected = (
        "'label id1 id2' with label 1 (same speaker), 0 (different) or -1 (unknown), or "
        "'id1 id2 label', or target and nontarget as labels, or 'id1 id2' without labels"
    )
    if form:
        other = next((other for other in FORMS if other.parse(clean(line))), None)
        expected = f"{form} as in the lines before, as a list has one form throughout"
        expected += f" (this line is {other})" if other else ""
    return RecipeError(
        f"{path}:{number}: malformed trial {shown(line)}: expected {expected}; no id may hold "
        f"blanks{'; if this is a head line, take it out' if titled else ''}"
    )


def clean(line: str) -> str:
    """A line without marks of byte order."""
    return line.replace(BYTE_ORDER_MARK, "")


def _fields(line):
    return [field.lower() for field in re.split(r"[\s,;\"']+", line) if field]

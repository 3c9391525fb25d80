"""Probe lists: utterances, one a line, each of which is compared with all models of a gallery.

The gallery is an enrolment list. What comes of it is a trial list with all trials of a probe behind
each other, in the order of the models; a label tells whether model and probe are of one speaker,
-1 where an id does not tell its speaker.
"""

from collections.abc import Iterator
from pathlib import Path

from local.errors import RecipeError
from local.layout import utterance_key
from local.scoring.enrolment import EnrolmentList
from local.scoring.lines import shown
from local.scoring.trial_forms import clean
from local.stored import read_lines

KIND = "probe list"  # in messages


def is_probe_list(path: str | Path) -> bool:
    """Whether the first line that is neither empty nor a comment has one id."""
    return next((len(line.split()) == 1 for _, line in _lines(path)), False)


def search_gallery(path: str | Path, gallery: EnrolmentList) -> Iterator[tuple[int, str, str]]:
    """Label, model and utterance of each trial of a probe list with a gallery.

    Raises
    ------
    RecipeError
        With file and line number: more than one id on a line, or an utterance that comes again.
    """
    models = [(model.name, _speaker(model.utterances[0])) for model in gallery.models.values()]
    before = {}
    for number, line in _lines(path):
        probe, *others = line.split()
        if others:
            raise RecipeError(
                f"{path}:{number}: malformed probe {shown(line)}: expected one utterance, as in "
                "the lines before, or two ids on each line"
            )
        first = before.setdefault(utterance_key(probe), number)
        if first != number:
            raise RecipeError(
                f"{path}:{number}: {shown(probe)} is on line {first} already: expected each probe "
                "once; take one out"
            )
        speaker = _speaker(probe)
        for name, own in models:
            yield -1 if None in (own, speaker) else int(own == speaker), name, probe


def _lines(path):
    """Number and text of the lines that are neither empty nor comments."""
    for number, line in enumerate(read_lines(path, KIND), start=1):
        line = clean(line).strip()
        if line and not line.startswith("#"):
            yield number, line


def _speaker(name):
    speaker, found, _ = utterance_key(name).partition("/")
    return speaker if found else None

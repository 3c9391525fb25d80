"""Enrolment lists: which utterances a model of a speaker was enrolled with.

One model a line, ``model utterance utterance …``, separated by blanks, commas or semicolons: what
Kaldi calls spk2utt. The first ids of a trial list then are models. Utterances are named as in trial
lists; comments, after a #, and a head line with the names of columns are read past.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from local.errors import RecipeError, first_of
from local.layout import JOINERS, utterance_key
from local.scoring.lines import brief, check_undamaged, shown, without_wav
from local.scoring.trial_forms import clean, find_head, split_fields
from local.scoring.trial_labels import line_of
from local.stored import read_lines

KIND = "enrolment list"  # in messages
NONE = "none"  # in place of a list, for trials whose first ids are utterances


class Line(NamedTuple):
    """How the lines of a list are written: with a separator, None for blanks and tabs."""

    separator: str | None

    def parse(self, line: str) -> list[str] | None:
        """Model and utterances of a line, None for one without."""
        fields = split_fields(line, self.separator)
        return None if fields is None or len(fields) < 2 else fields


LINES = [Line(separator) for separator in (",", ";", None)]  # blanks part what commas may end


class Model(NamedTuple):
    """A model, with the ids of the utterances that it was enrolled with, and the line of both."""

    name: str
    utterances: list[str]
    line: int


@dataclass(frozen=True)
class EnrolmentList:
    """The models of one list, each under the key (`utterance_key`) of its name, in their order."""

    models: dict[str, Model]
    path: str

    def __len__(self):
        return len(self.models)

    def find(self, name: str) -> Model | None:
        """The model of that name, None where there is none."""
        return self.models.get(utterance_key(name))

    def where(self, model: Model) -> str:
        """Where a model stands, for messages."""
        return f"{self.path}:{model.line}: model {shown(model.name)}"

    def check_speaker(self, model: Model, keys: Iterable[str]) -> None:
        """Check that the utterances of a model, given by their keys, are of one speaker."""
        speakers = list(dict.fromkeys(key.split("/")[0] for key in keys if "/" in key))
        if len(speakers) > 1:
            raise RecipeError(
                f"{self.where(model)} has utterances of {len(speakers)} speakers, "
                f"{first_of([*map(brief, speakers)], 3)}: expected one; enrol each speaker as a "
                "model of its own"
            )


def read_enrolment(path: str | Path) -> EnrolmentList:
    """Read and check an enrolment list.

    Raises
    ------
    RecipeError
        With file and line number: a model without utterances, or named twice; an utterance twice in
        a model; a model of two speakers. A missing or empty list.

    Example
    -------
    >>> path = getfixture("tmp_path") / "models.txt"
    >>> _ = path.write_text("anna a/x/0.wav a/y/0.wav\\nbert b/z/0.wav\\n")
    >>> read_enrolment(path).find("anna").utterances
    ['a/x/0', 'a/y/0']
    """
    found, texts = EnrolmentList({}, str(path)), {}
    head, form = find_head(read_lines(path, KIND), LINES), None
    for number, line in enumerate(read_lines(path, KIND), start=1):
        line = clean(line)
        if number == head or not line.strip() or line.lstrip().startswith("#"):
            continue
        form = form or next((one for one in LINES if one.parse(line)), LINES[-1])
        fields = form.parse(line)
        if fields is None:
            raise RecipeError(
                f"{path}:{number}: malformed model {shown(line)}: expected "
                f"{(form.separator or ' ').join(['model', 'utterance', 'utterance', '…'])!r} with "
                "one utterance or more; no id may hold blanks"
            )
        check_undamaged(fields, path)
        name, *names = map(without_wav, fields)
        # One text for all mentions of an utterance, as a list may have each in many models.
        _add(found, Model(name, [texts.setdefault(name, name) for name in names], number))
    if not found.models:
        raise RecipeError(f"{path}: the enrolment list is empty")
    return found


def _add(found, model):
    """Add a model to those of a list."""
    before = found.models.setdefault(utterance_key(model.name), model)
    if before is not model:
        raise RecipeError(
            f"{found.where(model)} is on line {before.line} already: expected each model once; "
            "write all its utterances on one line"
        )
    keys = [utterance_key(name) for name in model.utterances]
    if len(set(keys)) < len(keys):
        twice = next(key for place, key in enumerate(keys) if key in keys[:place])
        raise RecipeError(
            f"{found.where(model)} has the utterance {shown(twice)} twice: expected each once; "
            "take one out"
        )
    found.check_speaker(model, keys)


def pair_lists(paths: Iterable[str], enrolments: Sequence[str]) -> dict[str, EnrolmentList | None]:
    """The enrolment list of each of some trial lists; None where first ids are utterances.

    Enrolment lists are given in the order of the trial lists, or one for all of them, or none;
    "none" stands for one where a list has no models.

    Raises
    ------
    RecipeError
        Another number of them; see `read_enrolment`.
    """
    paths, names = list(dict.fromkeys(paths)), list(filter(None, enrolments)) or [NONE]
    if len(names) not in (1, len(paths)):
        raise RecipeError(
            f"{len(names)} enrolment lists for {len(paths)} trial lists ({', '.join(paths)}): "
            f"expected one for all, or one each in their order, {NONE!r} for a list without models"
        )
    read = {name: None if name == NONE else read_enrolment(name) for name in names}
    return {path: read[names[place % len(names)]] for place, path in enumerate(paths)}


def find_models(
    enrolment: EnrolmentList, names: Iterable[str], enrol: np.ndarray, path: str | Path
) -> list[Model]:
    """The models of some names, which the first sides of the trials of a list give by their places.

    One that is not there is a RecipeError, with the number of its line in the trial list.
    """
    models = [enrolment.find(name) for name in names]
    if None in models:
        unknown = models.index(None)
        number = line_of(path, np.flatnonzero(enrol == unknown)[0])
        raise RecipeError(
            f"{path}:{number}: {shown(list(names)[unknown])} is none of the {len(enrolment)} "
            f"models of {enrolment.path}: add it there, or name {NONE!r} for a list without models"
        )
    return models


def own_utterances(
    models: Sequence[Model], keys: Sequence[str], enrol: np.ndarray, test: np.ndarray
) -> np.ndarray:
    """Which trials compare a model with an utterance that it was enrolled with.

    The sides of the trials are places among the models and among the keys of the test utterances;
    an utterance may be named with joiners for "/" in one of the two lists (`find_utterances`).
    """
    tests, own = {}, []
    for place, key in enumerate(keys):
        for spelling in _spellings(key):
            tests.setdefault(spelling, []).append(place)
    for number, model in enumerate(models):
        for key in map(utterance_key, model.utterances):
            places = itertools.chain(*(tests.get(spelling, ()) for spelling in _spellings(key)))
            own += [number * len(keys) + place for place in places if _alike(key, keys[place])]
    return np.isin(enrol * len(keys) + test, own)


def _spellings(key):
    return {key, *(key.replace("/", joiner) for joiner in JOINERS)}


def _alike(key, other):
    """Whether two keys with a spelling in common are of one utterance: "a-b/c" is not "a/b-c"."""
    return key == other or ("/" in key) != ("/" in other)

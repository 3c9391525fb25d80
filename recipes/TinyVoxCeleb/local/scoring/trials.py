"""Trial lists: read, check, make and write them.

One trial a line, ``label id1 id2`` separated by blanks: label 1 for the same speaker, 0 for
different ones, -1 for unknown; `local.scoring.trial_forms` has the forms of other toolkits. An id
is "speaker/session/utterance", with or without ".wav" or folders before it, or the bare hash of an
evaluation file.
"""

import dataclasses
import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from local.errors import RecipeError
from local.layout import utterance_key
from local.scoring.doubtful_trials import find_doubtful
from local.scoring.enrolment import EnrolmentList, Model, find_models, own_utterances
from local.scoring.lines import check_undamaged, without_wav
from local.scoring.manifests import trial_lines
from local.scoring.official_lists import recognise
from local.scoring.probes import is_probe_list, search_gallery
from local.scoring.trial_forms import parse_lines
from local.scoring.trial_labels import check_labels, form_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrialList:
    """The trials of one list, as parallel columns.

    Attributes
    ----------
    labels : numpy.ndarray
        1, 0 or -1 (unknown), shape (trials,).
    enrol, test : list of str
        First and second id of each trial as the list has it, without ".wav".
    path : str
        Where the list was read, for messages.
    remarks : str
        What is to be said where its error rates are, see `doubtful_trials` and `official_lists`.
    meant : dict of str to str
        The utterances of ids that shards spell otherwise, see `find_utterances`.
    enrolment : EnrolmentList, optional
        The utterances of the first ids, where these are models.
    title : str
        What papers call it, where it is one of `local.scoring.official_lists`.
    """

    labels: np.ndarray
    enrol: list[str]
    test: list[str]
    path: str = ""
    remarks: str = ""
    meant: dict[str, str] = field(default_factory=dict)
    enrolment: EnrolmentList | None = None
    title: str = ""

    def __len__(self):
        return len(self.labels)

    def pairs(self) -> tuple[list[str], list[str]]:
        """The two columns of ids: (enrol, test)."""
        return self.enrol, self.test

    def models(self) -> dict[str, Model]:
        """The models of the trials by their ids, each once; none where these are utterances."""
        names = dict.fromkeys(self.enrol if self.enrolment else ())
        return {name: self.enrolment.find(name) for name in names}

    def utterances(self) -> tuple[list[str], list[str]]:
        """The same two columns, with those ids by which shards can be asked.

        A model stands there as the first of its utterances, which tells its speaker.
        """
        if not self.meant and self.enrolment is None:
            return self.pairs()
        firsts = {name: model.utterances[0] for name, model in self.models().items()}
        enrol = [firsts.get(name, name) for name in self.enrol]
        return tuple([self.meant.get(name, name) for name in side] for side in (enrol, self.test))

    def named(self) -> list[str]:
        """All utterances of the trials and their models, each once, as shards can be asked."""
        sides = [self.test] if self.enrolment else self.pairs()
        models = (model.utterances for model in self.models().values())
        names = dict.fromkeys(itertools.chain(*sides, *models))
        return list(dict.fromkeys(self.meant.get(name, name) for name in names))

    def rows(self, find: Callable[[list[str]], np.ndarray]) -> tuple:
        """The sides of the trials, and the utterances of models, as `Backend.score` takes them.

        `find` gives the rows of utterances in a table. Without models the third part is None.
        """
        sides = self.utterances()
        if self.enrolment is None:
            names = list(dict.fromkeys(itertools.chain(*sides)))  # few, see `_keys`
            rows = dict(zip(names, find(names).tolist(), strict=True))
            return (*(np.fromiter(map(rows.get, side), int, len(side)) for side in sides), None)
        models = self.models()
        names = [self.meant.get(name, name) for one in models.values() for name in one.utterances]
        ends = np.cumsum([len(model.utterances) for model in models.values()])
        places = {name: place for place, name in enumerate(models)}
        enrol = np.array([places[name] for name in self.enrol])
        return enrol, find(sides[1]), np.split(find(names), ends[:-1])

    def _keys(self):
        """Of each side, the key of the utterance that each of its ids means, or its model begins
        with. Each once: millions of trials name few of them.
        """
        firsts = {name: model.utterances[0] for name, model in self.models().items()}
        for side in self.pairs():
            names = {name: firsts.get(name, name) for name in dict.fromkeys(side)}
            yield {name: utterance_key(self.meant.get(own, own)) for name, own in names.items()}
            firsts = {}

    def speakers(self) -> tuple[list[str], list[str]] | None:
        """The speaker ids of both sides, or None where the list has anonymous ids.

        That of a model is the one of its utterances.
        """
        return self._speakers

    @cached_property
    def _speakers(self):
        keys = list(self._keys())
        if not all("/" in key for side in keys for key in side.values()):
            return None
        speakers = ({name: key.split("/")[0] for name, key in side.items()} for side in keys)
        sides = zip(speakers, self.pairs(), strict=True)
        return tuple([known[name] for name in side] for known, side in sides)

    def meaning(self, meant: dict[str, str]) -> "TrialList":
        """The same trials, with the utterances that some of the ids mean.

        A label that contradicts the speakers of these, or a model of two, is a RecipeError.
        """
        trials = dataclasses.replace(self, meant=self.meant | meant)
        for model in trials.models().values():
            names = (trials.meant.get(name, name) for name in model.utterances)
            self.enrolment.check_speaker(model, map(utterance_key, names))
        sides = []
        for keys, side in zip(trials._keys(), trials.pairs(), strict=True):
            codes = {name: code for code, name in enumerate(keys)}
            sides.append((np.array([codes[name] for name in side]), list(keys.values())))
        check_labels(trials.labels, sides, trials.path)
        return trials

    @property
    def unlabelled(self) -> str:
        """Why no trial counts, where `has_labels` is false."""
        what, (first, second) = "an utterance with itself", self._keys()
        own = {name: {key} for name, key in first.items()}
        if self.enrolment:
            what, models = "a model with its own utterance", self.models().items()
            own = {name: set(map(utterance_key, model.utterances)) for name, model in models}
        if all(second[name] in own[model] for model, name in zip(*self.pairs(), strict=True)):
            return f"all are of {what}, which self_trials_count alone counts"
        return "without labels there is no EER"

    @property
    def has_labels(self) -> bool:
        """Whether at least one trial tells its label."""
        return bool((self.labels >= 0).any())


def read_trials(
    path: str | Path, *, self_trials: bool = False, enrolment: EnrolmentList | None = None
) -> TrialList:
    """Read and check a trial list, in any of the forms of `local.scoring.trial_forms`.

    A trial of an utterance with itself gets the label -1, so that it counts nowhere, unless
    `self_trials` asks for it: any network solves it, and some of them make an EER look good. So
    does a trial of a model with an utterance that it was enrolled with. How many there are is
    logged, and how many trials come again.

    With an enrolment list the first id of each trial is a model of it; of a list with one id a
    line, each utterance is compared with each model.

    Raises
    ------
    RecipeError
        With file and line number, for a line of another form than its list, whose label
        contradicts the two speaker ids, or whose model is not enrolled; for a missing or empty
        list.

    Example
    -------
    >>> path = getfixture("tmp_path") / "trials.txt"
    >>> _ = path.write_text("1 a/x/0.wav a/y/0.wav\\n0 a/x/0.wav b/z/0.wav\\n")
    >>> read_trials(path).test
    ['a/y/0', 'b/z/0']
    """
    if enrolment is not None and is_probe_list(path):
        rows = search_gallery(path, enrolment)
    else:
        form, head = form_of(path)
        if form is None:
            raise RecipeError(f"{path}: the trial list is empty")
        rows = parse_lines(trial_lines(path), form, str(path), head)
    labels, enrol, test, firsts = [], [], [], {}
    seconds = firsts if enrolment is None else {}  # a model may be called as an utterance is
    # One number, and one text, for all mentions of an utterance: millions of trials name few.
    for label, first, second in rows:
        labels.append(label)
        enrol.append(firsts.setdefault(first, len(firsts)))
        test.append(seconds.setdefault(second, len(seconds)))
    labels, enrol, test = np.array(labels), np.array(enrol), np.array(test)
    check_undamaged((*firsts, *seconds), path)
    keys, enrolled = [utterance_key(name) for name in seconds], None
    first_keys, ends = keys, (enrol, test, keys)
    if enrolment is not None:
        models = find_models(enrolment, firsts, enrol, path)
        first_keys = [utterance_key(model.utterances[0]) for model in models]
        enrolled = own_utterances(models, keys, enrol, test)
        ends = (enrol, len(models) + test, [*range(len(models)), *keys])
    check_labels(labels, ((enrol, first_keys), (test, keys)), path)
    title, unlike = recognise(path, labels, keys, first_keys)
    labels, remarks = find_doubtful(labels, *ends, counted=self_trials, enrolled=enrolled)
    if remarks := "; ".join(filter(None, [unlike, remarks])):
        logger.warning(f"{path}: {remarks}")
    sides = []
    for names, codes in ((firsts, enrol), (seconds, test)):
        names = [without_wav(name) for name in names]
        sides.append([names[code] for code in codes.tolist()])
    return TrialList(labels, *sides, str(path), remarks, enrolment=enrolment, title=title)


def count_kinds(labels: np.ndarray) -> dict[str, int]:
    """How many labels are of "target" (1) and of "nontarget" trials (0)."""
    return {"target": int((labels == 1).sum()), "nontarget": int((labels == 0).sum())}


def check_both_kinds(
    labels: np.ndarray, where: str, needed: str = ": an EER needs both kinds"
) -> None:
    """Check that labels hold target and non-target trials, else it is a RecipeError.

    `where` begins its message and `needed` ends it.
    """
    targets, nontargets = count_kinds(labels).values()
    if not targets or not nontargets:
        found = f"{targets} target and {nontargets} non-target trials"
        if (unknown := np.sum(np.asarray(labels) < 0)) and targets + nontargets:
            found += f" beside {unknown} that do not count (the label -1 means unknown, not 0)"
        raise RecipeError(f"{where}: {found}{needed}")

"""Trial lists: read, check, make and write them.

One trial a line, ``label id1 id2`` separated by blanks: label 1 for the same speaker, 0 for
different ones, -1 for unknown; `local.scoring.trial_forms` has the forms of other toolkits. An id
is "speaker/session/utterance", with or without ".wav" or folders before it, or the bare hash of an
evaluation file.
"""

import dataclasses
import logging
import operator
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from local.errors import RecipeError
from local.layout import utterance_key
from local.scoring.doubtful_trials import find_doubtful
from local.scoring.lines import brief, shown
from local.scoring.trial_forms import find_form, find_head, is_skipped, parse_lines
from local.stored import read_lines

KIND = "trial list"  # in messages
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
MANY = 0.1  # from this share of labels on, it is not the labels that are wrong

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
        What is to be said where its error rates are, see `local.scoring.doubtful_trials`.
    meant : dict of str to str
        The utterances of ids that shards spell otherwise, see `find_utterances`.
    """

    labels: np.ndarray
    enrol: list[str]
    test: list[str]
    path: str = ""
    remarks: str = ""
    meant: dict[str, str] = field(default_factory=dict)

    def __len__(self):
        return len(self.labels)

    def pairs(self) -> tuple[list[str], list[str]]:
        """The two columns of ids: (enrol, test)."""
        return self.enrol, self.test

    def utterances(self) -> tuple[list[str], list[str]]:
        """The same two columns, with those ids by which shards can be asked."""
        if not self.meant:
            return self.pairs()
        return tuple([self.meant.get(name, name) for name in side] for side in self.pairs())

    def speakers(self) -> tuple[list[str], list[str]] | None:
        """The speaker ids of both sides, or None where the list has anonymous ids."""
        # Once for each utterance: millions of trials name few of them.
        names = {*self.enrol, *self.test}
        keys = {name: utterance_key(self.meant.get(name, name)) for name in names}
        if not all("/" in key for key in keys.values()):
            return None
        speakers = {name: key.split("/")[0] for name, key in keys.items()}
        return tuple([speakers[name] for name in side] for side in self.pairs())

    def meaning(self, meant: dict[str, str]) -> "TrialList":
        """The same trials, with the utterances that some of the ids mean.

        A label that contradicts the speakers of these is a RecipeError.
        """
        trials = dataclasses.replace(self, meant=self.meant | meant)
        names = {name: code for code, name in enumerate({*trials.enrol, *trials.test})}
        sides = [np.array([names[name] for name in side]) for side in trials.pairs()]
        keys = [utterance_key(trials.meant.get(name, name)) for name in names]
        _check_labels(trials.labels, *sides, keys, trials.path)
        return trials

    @property
    def unlabelled(self) -> str:
        """Why no trial counts, where `has_labels` is false."""
        own = all(map(operator.eq, *(map(utterance_key, side) for side in self.utterances())))
        if own:
            return "all are of an utterance with itself, which self_trials_count alone counts"
        return "without labels there is no EER"

    @property
    def has_labels(self) -> bool:
        """Whether at least one trial tells its label."""
        return bool((self.labels >= 0).any())


def read_trials(path: str | Path, *, self_trials: bool = False) -> TrialList:
    """Read and check a trial list, in any of the forms of `local.scoring.trial_forms`.

    A trial of an utterance with itself gets the label -1, so that it counts nowhere, unless
    `self_trials` asks for it: any network solves it, and some of them make an EER look good. How
    many there are is logged, and how many trials come again.

    Raises
    ------
    RecipeError
        With file and line number, for a line of another form than its list or whose label
        contradicts the two speaker ids; for a missing or empty list.

    Example
    -------
    >>> path = getfixture("tmp_path") / "trials.txt"
    >>> _ = path.write_text("1 a/x/0.wav a/y/0.wav\\n0 a/x/0.wav b/z/0.wav\\n")
    >>> read_trials(path).test
    ['a/y/0', 'b/z/0']
    """
    form, head = _find_form(path)
    if form is None:
        raise RecipeError(f"{path}: the trial list is empty")
    labels, enrol, test, codes = [], [], [], {}
    # One number, and one text, for all mentions of an utterance: millions of trials name few.
    for label, first, second in parse_lines(read_lines(path, KIND), form, str(path), head):
        labels.append(label)
        enrol.append(codes.setdefault(first, len(codes)))
        test.append(codes.setdefault(second, len(codes)))
    labels, enrol, test, names = np.array(labels), np.array(enrol), np.array(test), list(codes)
    damaged = next(filter(CONTROL.search, names), None)
    if damaged is not None:
        raise RecipeError(f"{path}: {shown(damaged)} is no id but damage: copy the list anew")
    keys = [utterance_key(name) for name in names]
    _check_labels(labels, enrol, test, keys, path)
    labels, remarks = find_doubtful(labels, enrol, test, keys, counted=self_trials)
    if remarks:
        logger.warning(f"{path}: {remarks}")
    names = [without_wav(name) for name in names]
    sides = [[names[code] for code in side.tolist()] for side in (enrol, test)]
    return TrialList(labels, *sides, str(path), remarks)


def _find_form(path):
    """The form of a list, None without a trial, and the number of its head line or 0."""
    head = find_head(read_lines(path, KIND))
    return find_form(read_lines(path, KIND), str(path), head), head


def without_wav(name: str) -> str:
    """An id as score lists have it."""
    return name[:-4] if name[-4:].lower() == ".wav" else name


def _check_labels(labels, enrol, test, keys, path):
    """Check labels against the speakers of utterances, given by their place among the keys."""
    found = {}
    speakers = [key.split("/")[0] if "/" in key else None for key in keys]
    speakers = np.array(
        [-1 if name is None else found.setdefault(name, len(found)) for name in speakers]
    )
    first, second = speakers[enrol], speakers[test]
    checked = (labels >= 0) & (first >= 0) & (second >= 0)
    wrong = np.flatnonzero(checked & ((first == second) != labels))
    if not len(wrong):
        return
    row, total = wrong[0], np.sum(checked)
    trial, number = [keys[side[row]] for side in (enrol, test)], 0
    form, head = _find_form(path)
    for number, line in enumerate(read_lines(path, KIND), start=1):
        row -= not is_skipped(number, line, form, head)
        if row < 0:
            break
    label, speaker = labels[wrong[0]], trial[0].split("/")[0]
    what, remedy = f"expected {1 - label}", "correct the label or the ids"
    if len(wrong) == total and len(set(labels[checked])) == 2:
        what, remedy = "as all others do", "turn them round: 1 is for the same speaker"
    elif len(wrong) > MANY * total:
        what = f"as in {len(wrong)} of {total} trials, so {shown(speaker)} may be no speaker"
        remedy = "expected 'speaker/session/utterance', in any folder: mend the ids, or the labels"
    raise RecipeError(
        f"{path}:{number}: label {label} contradicts the speaker ids of "
        f"{' and '.join(map(brief, trial))}: {what}; {remedy}"
    )


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

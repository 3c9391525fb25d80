"""Trial lists: read, check, make and write them.

One trial a line, ``label id1 id2`` separated by blanks: label 1 for the same speaker, 0 for
different ones, -1 for unknown. An id is "speaker/session/utterance", with or without ".wav", or the
bare hash of an evaluation file.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from local.errors import RecipeError
from local.layout import utterance_key


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
    """

    labels: np.ndarray
    enrol: list[str]
    test: list[str]
    path: str = ""

    def __len__(self):
        return len(self.labels)

    def pairs(self) -> tuple[list[str], list[str]]:
        """The two columns of ids: (enrol, test)."""
        return self.enrol, self.test

    def speakers(self) -> tuple[list[str], list[str]] | None:
        """The speaker ids of both sides, or None where the list has anonymous ids."""
        # Once for each utterance: millions of trials name few of them.
        keys = {name: utterance_key(name) for name in {*self.enrol, *self.test}}
        if not all("/" in key for key in keys.values()):
            return None
        speakers = {name: key.split("/")[0] for name, key in keys.items()}
        return tuple([speakers[name] for name in side] for side in self.pairs())

    @property
    def has_labels(self) -> bool:
        """Whether at least one trial tells its label."""
        return bool((self.labels >= 0).any())


def read_trials(path: str | Path) -> TrialList:
    """Read and check a trial list.

    Raises
    ------
    RecipeError
        With file and line number, for a line that is not ``label id1 id2`` or whose label
        contradicts the two speaker ids; for a missing or empty list.

    Example
    -------
    >>> path = getfixture("tmp_path") / "trials.txt"
    >>> _ = path.write_text("1 a/x/0.wav a/y/0.wav\\n0 a/x/0.wav b/z/0.wav\\n")
    >>> read_trials(path).test
    ['a/y/0', 'b/z/0']
    """
    path = Path(path)
    if not path.is_file():
        raise RecipeError(f"{path}: no such trial list")
    labels, enrol, test, names = [], [], [], {}
    with open(path, encoding="utf-8", errors="surrogateescape") as fin:
        for number, line in enumerate(fin, start=1):
            fields = line.split()
            if not fields:
                continue
            if len(fields) != 3 or fields[0] not in ("0", "1", "-1"):
                raise RecipeError(
                    f"{path}:{number}: malformed trial {line.strip()!r}: expected 'label id1 id2' "
                    "with label 1 (same speaker), 0 (different) or -1 (unknown)"
                )
            label, first, second = int(fields[0]), *(x.removesuffix(".wav") for x in fields[1:])
            _check_label(label, utterance_key(first), utterance_key(second), f"{path}:{number}")
            labels.append(label)
            # One text for all mentions of an utterance: millions of trials name few of them.
            enrol.append(names.setdefault(first, first))
            test.append(names.setdefault(second, second))
    if not labels:
        raise RecipeError(f"{path}: the trial list is empty")
    return TrialList(np.array(labels), enrol, test, str(path))


def _check_label(label, first, second, where):
    if label == -1 or "/" not in first or "/" not in second:
        return
    same = first.split("/")[0] == second.split("/")[0]
    if same != bool(label):
        raise RecipeError(
            f"{where}: label {label} contradicts the speaker ids of {first} and {second}: "
            f"expected {int(same)}; correct the label or the ids"
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
        raise RecipeError(f"{where}: {targets} target and {nontargets} non-target trials{needed}")

"""Draw trials between the utterances of a corpus, and write them as a list.

`local.scoring.trials` reads such lists.
"""

import bisect
import itertools
import math
import random
from collections.abc import Iterable
from pathlib import Path

from local.errors import RecipeError
from local.files import atomic_file


def write_trials(path: str | Path, trials: Iterable[tuple[int, str, str]]) -> None:
    """Write a trial list: label and two ids a trial, which get the ".wav" of the original lists."""
    with atomic_file(path) as fout:
        for label, first, second in trials:
            fout.write(f"{label} {first}.wav {second}.wav\n")


def make_trials(
    utterances: dict[str, list[str]],
    *,
    num_trials: int,
    seed: int,
    sex: dict[str, str] | None = None,
) -> list[tuple[int, str, str]]:
    """Draw a balanced trial list: as many target as non-target trials, no trial twice, shuffled.

    Each trial is a label and two of the utterance ids ("speaker/session/utterance"), which are
    given by speaker. There are at most `num_trials`; the scarcer kind of trial bounds the list as
    well. Where the sex of the speakers is given, non-target trials pair speakers of the same sex,
    as in VoxCeleb1-E/H, unless there is no such pair at all.

    Raises
    ------
    RecipeError
        If there is not one target or not one non-target pair to draw.

    Example
    -------
    >>> make_trials({"a": ["a/x/0", "a/y/0"], "b": ["b/z/0"]}, num_trials=2, seed=0)
    [(0, 'a/y/0', 'b/z/0'), (1, 'a/x/0', 'a/y/0')]
    """
    rng = random.Random(seed)
    # Pairs are drawn by their running numbers, so that none has to be listed: VoxCeleb has 10^12.
    targets, nontargets = _Targets(utterances), _NonTargets(utterances, sex)
    half = min(num_trials // 2, targets.number, nontargets.number)
    if half == 0:
        raise RecipeError(
            f"cannot make trials from {len(utterances)} speakers with "
            f"{sum(map(len, utterances.values()))} utterances: expected at least two speakers, one "
            "of them with two utterances"
        )
    others = [(0, *nontargets[number]) for number in rng.sample(range(nontargets.number), half)]
    trials = [(1, *targets[number]) for number in rng.sample(range(targets.number), half)] + others
    rng.shuffle(trials)
    return trials


class _Targets:
    """The pairs of utterances of one speaker, numbered as `itertools.combinations` gives them."""

    def __init__(self, utterances):
        self._speakers = list(utterances.values())
        counts = (math.comb(len(ids), 2) for ids in self._speakers)
        self._ends = list(itertools.accumulate(counts, initial=0))
        self.number = self._ends[-1]

    def __getitem__(self, number):
        place = bisect.bisect_right(self._ends, number)
        ids = self._speakers[place - 1]
        # From the last pair back, there are 1, 2, 3, ... pairs with one first utterance.
        back = self._ends[place] - 1 - number
        row = (math.isqrt(8 * back + 1) - 1) // 2
        return ids[-2 - row], ids[row * (row + 1) // 2 - back - 1]


class _NonTargets:
    """The pairs of utterances of two speakers: those of the first pair of speakers come first.

    Speakers are of one sex, where that is given and there are two of one.
    """

    def __init__(self, utterances, sex):
        groups, speakers, sex = {}, sorted(utterances), sex or {}
        for speaker in speakers:
            known = (sex[speaker],) if speaker in sex else speaker  # others are alone
            groups.setdefault(known, []).append(speaker)
        if all(len(group) < 2 for group in groups.values()):
            groups = {"all": speakers}
        self._utterances, self._after, counts = utterances, {}, {}
        for group in groups.values():
            ends = list(itertools.accumulate(len(utterances[name]) for name in group))
            for place, name in enumerate(group):
                self._after[name] = place + 1, group, ends
                counts[name] = len(utterances[name]) * (ends[-1] - ends[place])
        self._first = speakers
        self._ends = list(itertools.accumulate((counts[name] for name in speakers), initial=0))
        self.number = self._ends[-1]

    def __getitem__(self, number):
        place = bisect.bisect_right(self._ends, number) - 1
        ids = self._utterances[self._first[place]]
        start, group, ends = self._after[self._first[place]]
        number -= self._ends[place]
        before = ends[start - 1]
        other = bisect.bisect_right(ends, before + number // len(ids), lo=start)
        others = self._utterances[group[other]]
        number -= len(ids) * (ends[other - 1] - before)
        first, second = divmod(number, len(others))
        return ids[first], others[second]

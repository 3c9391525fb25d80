"""Draw trials between the utterances of a corpus, and write them as a list.

`local.scoring.trials` reads such lists.
"""

import bisect
import itertools
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
    targets = [pair for ids in utterances.values() for pair in itertools.combinations(ids, 2)]
    speakers = list(itertools.combinations(sorted(utterances), 2))
    if sex:
        same = [(a, b) for a, b in speakers if a in sex and sex[a] == sex.get(b)]
        speakers = same or speakers
    sizes = [len(utterances[a]) * len(utterances[b]) for a, b in speakers]
    half = min(num_trials // 2, len(targets), sum(sizes))
    if half == 0:
        raise RecipeError(
            f"cannot make trials from {len(utterances)} speakers with "
            f"{sum(map(len, utterances.values()))} utterances: expected at least two speakers, one "
            "of them with two utterances"
        )
    # Non-target pairs are drawn by their running number, so that none has to be listed.
    bounds = list(itertools.accumulate(sizes))
    nontargets = []
    for number in rng.sample(range(bounds[-1]), half):
        place = bisect.bisect_right(bounds, number)
        a, b = (utterances[speaker] for speaker in speakers[place])
        first, second = divmod(number - (bounds[place] - sizes[place]), len(b))
        nontargets.append((a[first], b[second]))
    trials = [(1, *pair) for pair in rng.sample(targets, half)]
    trials += [(0, *pair) for pair in nontargets]
    rng.shuffle(trials)
    return trials

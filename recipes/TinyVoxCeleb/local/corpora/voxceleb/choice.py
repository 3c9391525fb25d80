"""Which speakers, sessions and utterances of a large corpus are trained on, and which held out.

Each speaker, session and utterance has a rank of its own, which its name and the seed alone give.
So the choice depends neither on how the audio is stored nor on what else there is, and of one seed
50 speakers are among the 100, as these are among the 200, with the same sessions held out: what a
learning curve needs. Speakers to train on come from the front of the ranking and unseen ones, for
dev, from its end, so that the number of either changes nobody of the other.
"""

import hashlib
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from local.errors import RecipeError

ALL = "all"
HELD_OUT = 2  # sessions of each training speaker, for val
FEW_DEV, MANY_DEV = 10, 40  # as in tiny-voxceleb, and as VoxCeleb1-O has
FEW_SPEAKERS = 200  # up to which dev has few: as short a test as the training
MOST_VAL = 20_000  # utterances: more than 10,000 trials cannot name
LEAST_DEV = 4  # two of each sex

Speakers = Mapping[str, list[str]]  # utterance ids by speaker


@dataclass(frozen=True)
class Amounts:
    """How much is chosen; None where nothing bounds it.

    Attributes
    ----------
    speakers : int, optional
        To train on; None for all who are left.
    min_sessions : int
        That each chosen speaker has at least.
    utterances_per_speaker, sessions_per_speaker : int, optional
        That are trained on at most.
    dev_speakers : int, optional
        Unseen speakers; None for 10, or 40 where more than 200 are trained on.
    """

    speakers: int | None = 100
    min_sessions: int = HELD_OUT + 2
    utterances_per_speaker: int | None = None
    sessions_per_speaker: int | None = None
    dev_speakers: int | None = None

    def __post_init__(self):
        least = {"speakers": 2, "min_sessions": HELD_OUT + 1, "dev_speakers": LEAST_DEV}
        for name, value in vars(self).items():
            if value is not None and value < (lowest := least.get(name, 1)):
                raise RecipeError(f"--{name} {value}: expected {lowest} or more")

    @property
    def dev(self) -> int:
        """The number of unseen speakers."""
        few = self.speakers is not None and self.speakers <= FEW_SPEAKERS
        return self.dev_speakers or (FEW_DEV if few else MANY_DEV)


def choose(
    sessions: Mapping[str, Mapping[str, list[str]]],
    amounts: Amounts,
    *,
    seed: int,
    sex: Mapping[str, str],
) -> dict[str, Speakers]:
    """Choose train, val and dev: utterance ids by split and speaker, sorted.

    As many women as men, as long as there are; who is of neither sex in `sex` comes last. Dev has
    all utterances of its speakers. Val has all of two sessions of each training speaker, or as many
    of these as it takes for 20,000.

    Arguments
    ---------
    sessions :
        Utterance ids by speaker and session, of those who may be chosen.
    sex :
        "f" or "m" by speaker.

    Raises
    ------
    RecipeError
        Fewer speakers with so many sessions than asked for.

    Example
    -------
    >>> sessions = {s: {v: [f"{s}/{v}/0", f"{s}/{v}/1"] for v in "wxyz"} for s in "abcdef"}
    >>> splits = choose(sessions, Amounts(2, dev_speakers=4), seed=0, sex={})
    >>> [(name, list(split)) for name, split in splits.items()]
    [('train', ['d', 'f']), ('val', ['d', 'f']), ('dev', ['a', 'b', 'c', 'e'])]
    >>> splits["train"]["d"], splits["val"]["d"]
    (['d/w/0', 'd/w/1', 'd/x/0', 'd/x/1'], ['d/y/0', 'd/y/1', 'd/z/0', 'd/z/1'])
    """
    fit = [name for name, own in sessions.items() if len(own) >= amounts.min_sessions]
    needed = amounts.dev + (amounts.speakers or HELD_OUT)
    if len(fit) < needed:
        most = max(map(len, sessions.values()), default=0)
        raise RecipeError(_too_few(len(fit), needed, amounts, most))
    train, dev = _divide(_ranked(fit, seed), sex, amounts.dev)
    train = sorted(train[: amounts.speakers])
    splits = {"train": {}, "val": {}, "dev": {}}
    most_val = max(HELD_OUT, MOST_VAL // len(train))
    for speaker in train:
        names = _ranked(sessions[speaker], seed, speaker)
        own = [sessions[speaker][name] for name in names]
        kept = own[HELD_OUT:][: amounts.sessions_per_speaker]
        splits["train"][speaker] = _spread(kept, amounts.utterances_per_speaker, seed)
        splits["val"][speaker] = _spread(own[:HELD_OUT], most_val, seed)
    for speaker in sorted(dev):
        splits["dev"][speaker] = _spread(sessions[speaker].values(), None, seed)
    return splits


def _ranked(names, seed, *above):
    """Names in the order of a seed, in which each has its place whatever others there are."""

    def rank(name):
        text = "/".join((str(seed), *above, name))
        return hashlib.blake2b(text.encode(), digest_size=8).digest(), name

    return sorted(names, key=rank)


def _divide(ranked, sex, num_dev):
    """Speakers to train on in the order in which they are taken, and those of dev.

    Dev takes more than half of a sex only where nothing else is left.
    """
    groups = {
        kind: [name for name in ranked if sex.get(name, "") == kind] for kind in ("f", "m", "")
    }
    ends = {kind: group[len(group) - len(group) // 2 :] for kind, group in groups.items()}
    fronts = {kind: group[: len(group) - len(group) // 2] for kind, group in groups.items()}
    order = [*_alternate(ends, reverse=True), *_alternate(fronts, reverse=True)]
    dev = set(order[:num_dev])
    rest = {kind: [name for name in group if name not in dev] for kind, group in groups.items()}
    return _alternate(rest), dev


def _alternate(groups, reverse=False):
    """Women and men by turns, then the rest of the larger group, then those of neither."""
    step = -1 if reverse else 1
    pairs = itertools.zip_longest(groups["f"][::step], groups["m"][::step])
    return [name for pair in pairs for name in pair if name is not None] + groups[""][::step]


def _spread(sessions: Iterable[list[str]], most: int | None, seed: int) -> list[str]:
    """So many utterances at the most, one of each session in turn; sorted."""
    sessions = list(sessions)
    if most is None or sum(map(len, sessions)) <= most:
        return sorted(itertools.chain(*sessions))
    rounds = itertools.zip_longest(*(_ranked(ids, seed) for ids in sessions))
    turns = (name for turn in rounds for name in turn if name is not None)
    return sorted(itertools.islice(turns, most))


def _too_few(found, needed, amounts, most):
    asked = f"{amounts.speakers} to train on" if amounts.speakers else f"{HELD_OUT} to train on"
    text = (
        f"{found} speakers have {amounts.min_sessions} sessions or more, but {needed} are needed: "
        f"{asked} and {amounts.dev} for dev"
    )
    if not found and most:
        return f"{text}; nobody has more than {most} sessions: ask for fewer --min_sessions"
    if (left := found - amounts.dev) >= 2:
        text += f"; ask for --speakers {left} at the most, or for"
    else:
        text += "; ask for fewer speakers, fewer --dev_speakers, or"
    return f"{text} fewer --min_sessions"

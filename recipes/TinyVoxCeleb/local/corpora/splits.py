"""Split speakers and their sessions into train, val and dev, and list what is in them.

Dev speakers are unseen; val holds sessions of the training speakers that are kept from training.
No session, and so no utterance, is in two splits.
"""

import math
import random
from collections.abc import Mapping
from pathlib import Path

from local.corpora.trial_lists import make_trials, write_trials
from local.errors import RecipeError
from local.layout import TRIAL_LISTS
from local.metadata import write_meta

NUM_TRIALS = 10_000  # as in the tiny-voxceleb lists, or as many as the data gives
ONE_IN = 5  # one speaker in five goes to dev, one session in five of the others to val
ENOUGH_TARGETS = 20  # val trials of one speaker, below which more sessions are held out


def make_trial_lists(
    splits: Mapping[str, Mapping[str, list]], *, seed: int, sex: Mapping[str, str] | None = None
) -> dict[str, list]:
    """Draw the trials of val and dev from the utterance ids of each of their speakers.

    Where the sex of speakers is given, different speakers in a trial are of the same sex.
    """
    return {
        split: make_trials(splits[split], num_trials=NUM_TRIALS, seed=seed, sex=sex)
        for split in TRIAL_LISTS
    }


def write_lists(
    corpus: Path,
    splits: Mapping[str, Mapping[str, list]],
    trials: Mapping[str, list],
    *,
    gender: Mapping[str, str] | None = None,
    nationality: Mapping[str, str] | None = None,
) -> None:
    """Write the trial lists and the table of the speakers of each split, whose audio is written.

    Raises
    ------
    RecipeError
        Not every utterance of every split is there, or more are.
    """
    for split, speakers in splits.items():
        meant = sum(map(len, speakers.values()))
        found = sum(1 for _ in (corpus / split).glob("*/*/*.wav"))
        if found != meant:
            raise RecipeError(
                f"{corpus / split}: {found} of {meant} utterances are there: something removes "
                "files, or the file system takes names that differ in case only for equal; mend "
                "that and try again"
            )
    for split, name in TRIAL_LISTS.items():
        write_trials(corpus / name, trials[split])
    write_meta(
        corpus,
        train_speakers=splits["train"],
        dev_speakers=splits["dev"],
        gender=gender,
        nationality=nationality,
    )


def split_speakers(
    sessions: Mapping[str, Mapping[str, list]],
    *,
    seed: int,
    sex: Mapping[str, str] | None = None,
) -> dict[str, dict[str, list]]:
    """Choose the dev speakers and the val sessions.

    Both lists must allow target and non-target trials. Where the plain choice gives too few, more
    sessions are held out; where it gives none, speakers with several sessions go to train.

    Arguments
    ---------
    sessions :
        Utterance ids by speaker and session.
    sex :
        Where given, dev speakers are drawn in pairs of one sex, so that same-sex trials exist.

    Returns
    -------
    Utterance ids by split ("train", "val", "dev") and speaker. Speakers with one session are in
    train, but not in val.

    Raises
    ------
    RecipeError
        If the data allows no val or no dev trials.

    Example
    -------
    >>> sessions = {s: {v: [f"{s}/{v}/0", f"{s}/{v}/1"] for v in "xyz"} for s in "abcd"}
    >>> splits = split_speakers(sessions, seed=0)
    >>> [sorted(splits[name]) for name in ("train", "val", "dev")]
    [['a', 'c'], ['a', 'c'], ['b', 'd']]
    >>> splits["train"]["a"], splits["val"]["a"]
    (['a/x/0', 'a/x/1', 'a/y/0', 'a/y/1'], ['a/z/0', 'a/z/1'])
    """
    rng = random.Random(seed)
    order = _dev_order(sessions, sex or {}, rng)
    num_dev = max(2, round(len(order) / ONE_IN))
    for spared in range(num_dev + 1):
        dev, train = _spare(order, num_dev, spared, sessions)
        splits = {"dev": {speaker: _utterances(sessions[speaker]) for speaker in dev}}
        for more in (False, True):
            held_out = {speaker: _hold_out(sessions[speaker], rng, more) for speaker in train}
            for name, held in (("train", False), ("val", True)):
                splits[name] = {
                    speaker: _utterances(sessions[speaker], held_out[speaker], held)
                    for speaker in train
                    if held_out[speaker] or not held
                }
            possible = min(_num_targets(splits["dev"]), _num_targets(splits["val"])) > 0
            if possible and (more or _num_targets(splits["val"]) >= ENOUGH_TARGETS):
                return splits
    raise RecipeError(_no_trials(sessions))


def _dev_order(sessions, sex, rng):
    """Speakers in the order in which they become dev speakers, in pairs of one sex."""
    by_sex = {}
    for speaker in rng.sample(sorted(sessions), len(sessions)):
        by_sex.setdefault(sex.get(speaker), []).append(speaker)
    ranked = []
    for group in by_sex.values():
        group.sort(key=lambda speaker: not _has_pair(sessions[speaker]))
        for place in range(0, len(group), 2):
            pair = group[place : place + 2]
            poor = len(pair) < 2 or not all(_has_pair(sessions[speaker]) for speaker in pair)
            ranked.append((poor, place, pair))
    ranked.sort(key=lambda rank: rank[:2])
    return [speaker for _, _, pair in ranked for speaker in pair]


def _spare(order, num_dev, spared, sessions):
    """Dev and train speakers, `spared` of dev's places given to speakers that val cannot use."""
    dev, rest = order[: num_dev - spared], order[num_dev - spared :]
    if spared:
        rest = sorted(rest, key=lambda s: (len(sessions[s]) > 1, not _has_pair(sessions[s])))
    return sorted(dev + rest[:spared]), sorted(rest[spared:])


def _hold_out(sessions, rng, more):
    """The sessions of a training speaker that go to val; none of a single one.

    With five sessions or more, or if `more` are wanted, two utterances at least are held out where
    that leaves something to train on.
    """
    names = rng.sample(sorted(sessions), len(sessions))
    if len(names) < 2:
        return set()
    if more:
        names.sort(key=lambda name: len(sessions[name]) < 2)
    count = math.ceil(len(names) / ONE_IN)
    if more or len(names) >= ONE_IN:
        while count < len(names) - 1 and sum(len(sessions[name]) for name in names[:count]) < 2:
            count += 1
    return set(names[:count])


def _utterances(sessions, chosen=(), inside=False):
    names = [name for name in sorted(sessions) if (name in chosen) == inside]
    return [utterance for name in names for utterance in sessions[name]]


def _has_pair(sessions):
    return sum(map(len, sessions.values())) > 1


def _num_targets(utterances):
    """Pairs of one speaker's utterances; none where there is no second speaker to compare with."""
    return sum(math.comb(len(ids), 2) for ids in utterances.values()) * (len(utterances) > 1)


def _no_trials(sessions):
    several = sum(len(names) > 1 for names in sessions.values())
    pairs = sum(_has_pair(names) for names in sessions.values())
    return (
        f"too little to make val and dev trials from: of {len(sessions)} speakers {pairs} have two "
        f"recordings or more, {several} have them in two sessions or more; needed are an unseen "
        "speaker with two recordings, and two training speakers with a session to hold out, one of "
        "them with two recordings in it (or three sessions): add recordings"
    )

"""Splits keep sessions whole, whatever the data looks like, and give trials where it can."""

import random

import pytest

from local.corpora.splits import split_speakers
from local.corpora.trial_lists import make_trials
from local.errors import RecipeError


def sessions_of(counts):
    """{"a": [2, 1]} -> speaker a with a session of two utterances and one of one."""
    return {
        speaker: {
            f"v{session}": [f"{speaker}/v{session}/{number}" for number in range(count)]
            for session, count in enumerate(numbers)
        }
        for speaker, numbers in counts.items()
    }


def flat(split):
    return [utterance for utterances in split.values() for utterance in utterances]


def assert_sound(sessions, splits):
    assert set(splits["dev"]).isdisjoint(splits["train"])
    assert {*splits["dev"], *splits["train"]} == set(sessions)
    assert set(splits["val"]) <= set(splits["train"])
    assert len(splits["train"]) >= 2 and len(splits["dev"]) >= 2
    assert all(utterances for split in splits.values() for utterances in split.values())
    places = {}
    for name, split in splits.items():
        for utterance in flat(split):
            places.setdefault(utterance.rpartition("/")[0], []).append(name)
    assert all(len(set(names)) == 1 for names in places.values())
    every = [utterance for split in splits.values() for utterance in flat(split)]
    assert sorted(every) == sorted(
        u for names in sessions.values() for ids in names.values() for u in ids
    )


@pytest.mark.parametrize("seed", range(300))
def test_any_data_gives_sound_splits_or_an_error(seed):
    rng = random.Random(seed)
    counts = {
        f"s{number}": [rng.choice((1, 1, 1, 2, 5)) for _ in range(rng.choice((1, 1, 2, 3, 6)))]
        for number in range(rng.randint(4, 9))
    }
    sessions = sessions_of(counts)
    sex = {name: rng.choice("fm") for name in counts} if seed % 2 else None
    try:
        splits = split_speakers(sessions, seed=seed, sex=sex)
    except RecipeError:
        # Three speakers with three sessions would do: two for val and one for dev.
        assert sum(len(numbers) >= 3 for numbers in counts.values()) < 3
        return
    assert_sound(sessions, splits)
    for name in ("val", "dev"):
        assert make_trials(splits[name], num_trials=100, seed=0, sex=sex)


def test_one_speaker_in_five_is_unseen_and_one_session_in_five_held_out():
    splits = split_speakers(sessions_of({f"s{n:02}": [1] * 12 for n in range(40)}), seed=0)
    assert len(splits["dev"]) == 8
    assert {len(utterances) for utterances in splits["val"].values()} == {3}


def test_five_sessions_of_one_utterance_hold_out_two():
    splits = split_speakers(sessions_of({name: [1] * 5 for name in "abcdef"}), seed=0)
    assert {len(utterances) for utterances in splits["val"].values()} == {2}


def test_three_sessions_of_one_utterance_hold_out_two_where_nothing_else_gives_target_trials():
    splits = split_speakers(sessions_of({name: [1] * 3 for name in "abcdef"}), seed=0)
    assert {len(utterances) for utterances in splits["val"].values()} == {2}
    mixed = {**{name: [1] * 3 for name in "abcdef"}, **{name: [5] * 3 for name in "ghijkl"}}
    splits = split_speakers(sessions_of(mixed), seed=0)
    assert {len(splits["val"][name]) for name in splits["val"] if name in "abcdef"} == {1}


def test_two_sessions_hold_out_the_one_with_a_pair():
    splits = split_speakers(sessions_of({name: [1, 2] for name in "abcdef"}), seed=3)
    assert any(len(utterances) == 2 for utterances in splits["val"].values())


@pytest.mark.parametrize("seed", range(10))
def test_dev_takes_speakers_with_two_utterances(seed):
    counts = {**{name: [1] for name in "abcdef"}, **{name: [1] * 6 for name in "ghij"}}
    splits = split_speakers(sessions_of(counts), seed=seed)
    assert set(splits["dev"]) <= set("ghij")


@pytest.mark.parametrize("seed", range(10))
def test_dev_spares_the_speakers_that_val_needs(seed):
    counts = {**{name: [1] for name in "ab"}, **{name: [1] * 6 for name in "cde"}}
    splits = split_speakers(sessions_of(counts), seed=seed)
    assert len(splits["val"]) == 2 and len(set(splits["dev"]) & set("cde")) == 1


@pytest.mark.parametrize("seed", range(10))
def test_dev_speakers_come_in_pairs_of_one_sex(seed):
    sex = {f"s{number}": "fm"[number % 2] for number in range(10)}
    splits = split_speakers(sessions_of({name: [1] * 6 for name in sex}), seed=seed, sex=sex)
    assert len({sex[speaker] for speaker in splits["dev"]}) == 1
    more = {f"s{number:02}": "fm"[number % 2] for number in range(40)}
    splits = split_speakers(sessions_of({name: [1] * 6 for name in more}), seed=seed, sex=more)
    assert sorted(more[speaker] for speaker in splits["dev"]) == list("ffffmmmm")


@pytest.mark.parametrize("numbers", [[1], [9], [1, 1]])
def test_data_that_gives_no_trials(numbers):
    with pytest.raises(RecipeError, match="too little to make val and dev trials"):
        split_speakers(sessions_of(dict.fromkeys("abcdef", numbers)), seed=0)

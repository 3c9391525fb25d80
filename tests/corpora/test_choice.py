"""The choice of speakers, sessions and utterances: balanced, nested, and by names alone."""

import itertools
import random

import pytest

from local.corpora.voxceleb.choice import Amounts, choose
from local.errors import RecipeError

NUMBERS = range(12, 12 + 300)
SEX = {f"id{number:05}": "fm"[number % 2] for number in NUMBERS}


def make_sessions(speakers=SEX, sessions=6, utterances=3):
    return {
        speaker: {
            f"v{session}": [f"{speaker}/v{session}/{number:05}" for number in range(utterances)]
            for session in range(sessions)
        }
        for speaker in speakers
    }


def ids(split):
    return {name for names in split.values() for name in names}


def sessions_of(names):
    return {name.rpartition("/")[0] for name in names}


def chosen(sessions, speakers=100, *, seed=123, sex=SEX, **amounts):
    return choose(sessions, Amounts(speakers, **amounts), seed=seed, sex=sex)


def test_a_hundred_speakers_half_of_them_women_with_two_sessions_held_out():
    splits = chosen(make_sessions())
    assert [len(splits[name]) for name in ("train", "val", "dev")] == [100, 100, 10]
    for name in ("train", "dev"):
        assert sum(SEX[speaker] == "f" for speaker in splits[name]) == len(splits[name]) // 2
    assert splits["train"].keys() == splits["val"].keys()
    assert not splits["train"].keys() & splits["dev"].keys()
    for speaker, held_out in splits["val"].items():
        own = sessions_of(splits["train"][speaker])
        assert len(sessions_of(held_out)) == 2 and len(own) == 4
        assert not own & sessions_of(held_out)
    assert all(len(names) == 18 for names in splits["dev"].values())


def test_fewer_speakers_are_part_of_more_with_the_same_sessions_held_out():
    sessions = make_sessions()
    curves = [chosen(sessions, number) for number in (50, 100, 200)]
    for few, many in itertools.pairwise(curves):
        assert few["dev"] == many["dev"]
        for name in ("train", "val"):
            assert few[name].items() <= many[name].items()
    all_but_forty = chosen(sessions, None)
    assert len(all_but_forty["train"]) == 300 - 40 and len(all_but_forty["dev"]) == 40
    assert curves[-1]["dev"].items() <= all_but_forty["dev"].items()
    assert curves[-1]["train"].items() <= all_but_forty["train"].items()


def test_less_of_each_speaker_is_part_of_more_and_comes_from_all_sessions():
    sessions = make_sessions()
    whole = chosen(sessions)
    for name in ("sessions_per_speaker", "utterances_per_speaker"):
        before = None
        for most in (1, 2, 3, 5):
            splits = chosen(sessions, **{name: most})
            assert splits["val"] == whole["val"] and splits["dev"] == whole["dev"]
            assert splits["train"].keys() == whole["train"].keys()
            assert before is None or before < ids(splits["train"]) or most > 4
            before = ids(splits["train"])
            assert before <= ids(whole["train"])
            for names in splits["train"].values():
                count = len(sessions_of(names)), len(names)
                limited = min(most, 4), 3 * min(most, 4)
                assert count == (limited if name.startswith("s") else (min(most, 4), most))


def test_the_choice_depends_on_names_and_seed_alone():
    sessions = make_sessions()
    splits = chosen(sessions)
    mixed = list(sessions.items())
    random.Random(0).shuffle(mixed)
    assert chosen({name: dict(reversed(own.items())) for name, own in mixed}) == splits
    assert list(chosen(dict(mixed))["train"]) == sorted(splits["train"])
    # Who is missing elsewhere, and was not chosen, changes nothing; nor do more sessions of these.
    left = {*splits["train"], *splits["dev"]}
    less = {name: own for name, own in sessions.items() if name in left or int(name[2:]) % 3}
    assert len(less) < 300 and chosen(less) == splits
    assert chosen(sessions, seed=1)["train"].keys() != splits["train"].keys()


def test_a_scarce_sex_is_shared_and_filled_up():
    women = sorted(SEX)[:8]
    sex = {speaker: "f" if speaker in women else "m" for speaker in SEX}
    splits = chosen(make_sessions(), 40, sex=sex)
    counts = [sum(sex[name] == "f" for name in splits[split]) for split in ("train", "dev")]
    assert counts == [4, 4] and len(splits["train"]) == 40


def test_who_has_no_sex_told_comes_last():
    told = {name: kind for name, kind in SEX.items() if int(name[2:]) % 10 < 4}
    splits = chosen(make_sessions(), sex=told)
    assert splits["train"].keys() | splits["dev"].keys() <= told.keys()
    assert len(chosen(make_sessions(), 200, sex=told)["train"]) == 200
    assert len(chosen(make_sessions(), sex={})["train"]) == 100


def test_only_who_has_enough_sessions():
    sessions = {
        name: own if int(name[2:]) % 2 else {"v0": own["v0"]}
        for name, own in make_sessions().items()
    }
    splits = chosen(sessions, 50)
    assert all(int(name[2:]) % 2 for name in splits["train"].keys() | splits["dev"].keys())
    message = (
        "150 speakers have 4 sessions or more, but 210 are needed: 200 to train on and 10 for "
    )
    with pytest.raises(RecipeError, match=f"{message}dev; ask for --speakers 140 at the most"):
        chosen(sessions, 200)
    with pytest.raises(
        RecipeError, match="0 speakers have 7 .*; nobody has more than 6 sessions: "
    ):
        chosen(sessions, min_sessions=7)
    assert len(chosen(sessions, 140, min_sessions=3)["train"]) == 140


def test_val_of_thousands_has_no_more_utterances_than_trials_name():
    people = [f"id{number:05}" for number in range(4000)]
    splits = chosen(make_sessions(people, sessions=4, utterances=10), None, sex={})
    assert {len(names) for names in splits["val"].values()} == {20_000 // 3960}
    assert all(len(sessions_of(names)) == 2 for names in splits["val"].values())
    assert {len(names) for names in splits["train"].values()} == {20}


@pytest.mark.parametrize(
    "amounts, message",
    [
        ({"speakers": 1}, "--speakers 1: expected 2 or more"),
        ({"min_sessions": 2}, "--min_sessions 2: expected 3 or more"),
        ({"dev_speakers": 2}, "--dev_speakers 2: expected 4 or more"),
        ({"utterances_per_speaker": 0}, "--utterances_per_speaker 0: expected 1 or more"),
    ],
)
def test_amounts_that_give_no_trials(amounts, message):
    with pytest.raises(RecipeError, match=message):
        Amounts(**amounts)

"""Trial lists that are drawn: balanced, true, of one sex."""

import bisect
import itertools
import random
import tracemalloc

import pytest

from local.corpora.trial_lists import make_trials, write_trials
from local.errors import RecipeError
from local.scoring.trials import read_trials

UTTERANCES = {
    speaker: [f"{speaker}/v{session}/0" for session in range(count)]
    for speaker, count in {"a": 5, "b": 4, "c": 1, "d": 6}.items()
}


@pytest.mark.parametrize("num_trials", [10, 40, 1000])
def test_made_lists_are_balanced_and_true(tmp_path, num_trials):
    trials = make_trials(UTTERANCES, num_trials=num_trials, seed=3)
    labels = [label for label, _, _ in trials]
    # 10 + 6 + 0 + 15 target pairs bound the longest list.
    assert labels.count(1) == labels.count(0) == min(num_trials // 2, 31)
    assert len({frozenset(pair) for _, *pair in trials}) == len(trials)
    write_trials(tmp_path / "trials.txt", trials)
    read = read_trials(tmp_path / "trials.txt")  # checks labels against speakers
    assert list(zip(read.labels.tolist(), read.enrol, read.test, strict=True)) == trials
    assert trials == make_trials(UTTERANCES, num_trials=num_trials, seed=3)
    assert trials != make_trials(UTTERANCES, num_trials=num_trials, seed=4)


def test_non_target_trials_are_same_sex():
    sex = {"a": "f", "b": "m", "c": "f", "d": "m"}
    trials = make_trials(UTTERANCES, num_trials=1000, seed=0, sex=sex)
    pairs = {tuple(sorted((x[0], y[0]))) for label, x, y in trials if label == 0}
    assert pairs == {("a", "c"), ("b", "d")}


@pytest.mark.parametrize(
    "utterances", [{"a": ["a/x/0", "a/y/0"]}, {"a": ["a/x/0"], "b": ["b/x/0"]}]
)
def test_too_little_for_trials(utterances):
    with pytest.raises(RecipeError, match="cannot make trials"):
        make_trials(utterances, num_trials=10, seed=0)


def listed_trials(utterances, num_trials, seed, sex):
    """The same lists, drawn from all pairs one beside the other, as they once were."""
    rng = random.Random(seed)
    targets = [pair for ids in utterances.values() for pair in itertools.combinations(ids, 2)]
    speakers = list(itertools.combinations(sorted(utterances), 2))
    if sex:
        same = [(a, b) for a, b in speakers if a in sex and sex[a] == sex.get(b)]
        speakers = same or speakers
    sizes = [len(utterances[a]) * len(utterances[b]) for a, b in speakers]
    half = min(num_trials // 2, len(targets), sum(sizes))
    bounds, nontargets = list(itertools.accumulate(sizes)), []
    for number in rng.sample(range(bounds[-1]), half) if half else ():
        place = bisect.bisect_right(bounds, number)
        a, b = (utterances[speaker] for speaker in speakers[place])
        first, second = divmod(number - (bounds[place] - sizes[place]), len(b))
        nontargets.append((a[first], b[second]))
    trials = [(1, *pair) for pair in rng.sample(targets, half)]
    trials += [(0, *pair) for pair in nontargets]
    rng.shuffle(trials)
    return trials


@pytest.mark.parametrize("start", range(0, 300, 100))
def test_lists_are_those_that_were_drawn_from_all_pairs(start):
    for seed in range(start, start + 100):
        rng = random.Random(seed)
        speakers = [f"s{rng.randrange(1000)}" for _ in range(rng.randint(2, 12))] + ["f"]
        counts = {speaker: rng.choice((0, 1, 2, 3, 7, 20)) for speaker in speakers}
        utterances = {name: [f"{name}/{n}" for n in range(counts[name])] for name in counts}
        told = {name: rng.choice("fm") for name in counts if rng.random() < 0.7 and name != "f"}
        sex, number = (
            rng.choice([None, told, {name: name for name in counts}]),
            rng.choice((10, 500)),
        )
        expected = listed_trials(utterances, number, seed, sex)
        if expected:
            found = make_trials(utterances, num_trials=number, seed=seed, sex=sex)
            assert found == expected
        else:
            with pytest.raises(RecipeError, match="cannot make trials"):
                make_trials(utterances, num_trials=number, seed=seed, sex=sex)


def test_seven_thousand_speakers_need_no_list_of_their_pairs():
    ids = {f"id{n:05}": [f"id{n:05}/v/{m}" for m in range(20)] for n in range(7205)}
    sex = {speaker: "fm"[place % 2] for place, speaker in enumerate(ids)}
    tracemalloc.start()
    trials = make_trials(ids, num_trials=10_000, seed=0, sex=sex)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(trials) == 10_000 and peak < 20e6

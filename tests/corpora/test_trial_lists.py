"""Trial lists that are drawn: balanced, true, of one sex."""

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

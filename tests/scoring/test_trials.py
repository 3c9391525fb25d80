"""Trial lists: what is read, what is refused, what is made."""

import pytest

from local.errors import RecipeError
from local.layout import utterance_key
from local.scoring.trials import make_trials, read_trials, write_trials


def write(folder, text):
    path = folder / "trials.txt"
    path.write_text(text)
    return path


def test_reads_ids_with_and_without_extension(tmp_path):
    trials = read_trials(write(tmp_path, "1 a/x/0.wav\ta/y-_/1\n\n-1  d045  eval/wav/2749.wav \n"))
    assert trials.labels.tolist() == [1, -1]
    # As in the list without ".wav": score lists repeat them.
    assert trials.enrol == ["a/x/0", "d045"] and trials.test == ["a/y-_/1", "eval/wav/2749"]
    assert trials.has_labels and trials.speakers() is None


@pytest.mark.parametrize(
    "line",
    ["1 a/x/0.wav", "2 a/x/0 a/y/0", "same a/x/0 a/y/0", "1 a/x/0 a/y/0 0.5", "1.0 a/x/0 a/y/0"],
)
def test_malformed_line(tmp_path, line):
    path = write(tmp_path, f"0 a/x/0 b/x/0\n\n{line}\n")
    with pytest.raises(RecipeError, match=f"trials.txt:3: malformed trial '{line}'"):
        read_trials(path)


@pytest.mark.parametrize("line", ["1 a/x/0 b/x/0", "0 a/x/0 a/y/0"])
def test_label_that_contradicts_the_speakers(tmp_path, line):
    with pytest.raises(RecipeError, match="trials.txt:1: label . contradicts the speaker ids"):
        read_trials(write(tmp_path, line))


def test_labels_of_bare_hashes_are_believed(tmp_path):
    assert read_trials(write(tmp_path, "1 d045 2749\n0 d045 8bc7\n")).labels.tolist() == [1, 0]


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_empty_list(tmp_path, text):
    with pytest.raises(RecipeError, match="the trial list is empty"):
        read_trials(write(tmp_path, text))


def test_missing_list(tmp_path):
    with pytest.raises(RecipeError, match="nowhere.txt: no such trial list"):
        read_trials(tmp_path / "nowhere.txt")


def test_keys():
    assert utterance_key("eval/wav/d045.flac") == "d045"
    assert utterance_key("id1/a.wav.b/00001") == "id1/a.wav.b/00001"


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

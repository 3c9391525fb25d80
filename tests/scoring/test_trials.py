"""Trial lists: what is read, what is refused, what is made."""

import pytest

from local.errors import RecipeError
from local.layout import utterance_key
from local.scoring.trials import read_trials


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
    ["1 a/x/0.wav", "2 a/x/0 a/y/0", "same a/x/0 a/y/0", "1 a/x/0 a/y/0 0.5", "0.5 a/x/0 a/y/0"],
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

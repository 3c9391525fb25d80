"""NeMo's manifests of pairs are trial lists; what they lack is told with the line."""

import json

import pytest

from local.errors import RecipeError
from local.scoring.trials import read_trials


def line(first, second, **others):
    return json.dumps({"audio_filepath": [first, second], "duration": None, **others})


def write(folder, *lines, start=""):
    path = folder / "pairs.json"
    path.write_text(start + "".join(f"{each}\n" for each in lines))
    return path


@pytest.mark.parametrize("labels", [("1", "0"), (1, 0), ("target", "nontarget"), (True, False)])
@pytest.mark.parametrize("start", ["", "\ufeff", "\n\n"])
def test_pairs_are_trials(tmp_path, labels, start):
    lines = [line("/d/a/x/0.wav", "/d/a/y/0.wav", label=labels[0])]
    lines += ["", line("/d/a/x/0.wav", "/d/b/z/0.wav", label=labels[1], offset=0.0)]
    trials = read_trials(write(tmp_path, *lines, start=start))
    assert trials.labels.tolist() == [1, 0]
    assert trials.pairs() == (["/d/a/x/0"] * 2, ["/d/a/y/0", "/d/b/z/0"])
    assert trials.speakers() == (["a", "a"], ["a", "b"])


def test_pairs_without_labels(tmp_path):
    assert read_trials(write(tmp_path, line("a/x/0", "b/x/0"))).labels.tolist() == [-1]


REFUSED = {
    "one file": ('{"audio_filepath": "a/x/0.wav", "label": "a"}', "pairs.json:2: 1 file: expected"),
    "three": ('{"audio_filepath": ["a", "b", "c"]}', "pairs.json:2: 3 files: expected"),
    "label": (line("a/x/0", "b/x/0", label="infer"), "with the label 'infer': expected"),
    "numbers": (line(1, 2, label=1), "the files '.1, 2.' with the label '1'"),
    "blanks": (line("my a/x/0", "b/x/0", label=1), "no path may hold blanks; rename it"),
    "cut off": ('{"audio_filepath": ["a', "pairs.json:2: malformed trial"),
    "text": ("1 a/x/0 b/x/0", "pairs.json:2: malformed trial '1 a/x/0 b/x/0': expected"),
    "speakers": (line("a/x/0", "b/x/0", label=1), "pairs.json:2: label 1 contradicts the speaker"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_lines_that_are_no_pairs(tmp_path, case):
    text, message = REFUSED[case]
    first = line("a/x/0", "a/y/0", label=1)
    with pytest.raises(RecipeError, match=message) as error:
        read_trials(write(tmp_path, first, text))
    assert "\n" not in str(error.value)

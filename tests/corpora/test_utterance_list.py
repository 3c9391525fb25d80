"""The list of the utterances of a corpus that was chosen from another folder."""

import pytest

from local.corpora.utterance_list import Listed, read_utterances, write_utterances
from local.errors import RecipeError


def test_what_is_written_is_read_again(tmp_path):
    odd = ('a/b/c, "d"', "/data/\udcff,x.zip/wav/a.wav")
    write_utterances(tmp_path, {"train": [("s/v/0", "/x/0.m4a"), odd], "dev": [("t/v/0", "")]})
    found = list(read_utterances(tmp_path / "utterances.csv"))
    assert found == [
        Listed("train", "s/v/0", "/x/0.m4a"),
        Listed("train", *odd),
        Listed("dev", "t/v/0", ""),
    ]


def test_paths_may_be_missing_and_columns_in_any_order(tmp_path):
    path = tmp_path / "choice.csv"
    path.write_text("id,split\ns/v/0,val\n")
    assert list(read_utterances(path)) == [Listed("val", "s/v/0", "")]


@pytest.mark.parametrize(
    "text, message",
    [
        ("speaker,path\na,b\n", "choice.csv:1: found the columns speaker, path; expected split"),
        ("", "choice.csv"),
        ("split,id,path\ntrain,,x\n", "choice.csv:2: expected a split, an id and a path"),
    ],
)
def test_other_files_are_refused(tmp_path, text, message):
    path = tmp_path / "choice.csv"
    path.write_text(text)
    with pytest.raises(RecipeError, match=message):
        list(read_utterances(path))

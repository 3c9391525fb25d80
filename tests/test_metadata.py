"""Tables of speakers, as people and their programs write them."""

import bz2
import gzip
import lzma

import pytest

from local.errors import RecipeError
from local.metadata import SpeakerInfo, read_classes, read_speakers, write_meta


@pytest.fixture
def table(tmp_path):
    return tmp_path / "tiny_meta.csv"


def test_metadata(table):
    table.write_text("\ufeffID, Sex ,nationality\nx,Male,Norway\ny,f,\n", encoding="utf-8")
    assert read_speakers(table) == {
        "x": SpeakerInfo("male", "Norway", ""),
        "y": SpeakerInfo("female", "", ""),
    }
    table.write_text("name,gender\n")
    with pytest.raises(RecipeError, match="column id is missing: found name, gender"):
        read_speakers(table)
    table.write_text("")
    with pytest.raises(RecipeError, match="column id is missing: found none"):
        read_speakers(table)
    with pytest.raises(RecipeError, match="no such metadata file"):
        read_speakers(table.with_name("none.csv"))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_same_table_for_classes_and_for_sexes(table, delimiter):
    rows = ["\ufeffIDX,Gender,Id,note", "0.0,F, a,x", "1,male,b", "", ",m,c,z,", "3,,d"]
    table.write_text("\r\n".join(rows).replace(",", delimiter), encoding="utf-8")
    assert read_classes(table) == {"a": 0, "b": 1, "c": None, "d": 3}
    assert {name: (row.sex, row.known) for name, row in read_speakers(table).items()} == {
        "a": ("female", "known"),
        "b": ("male", "known"),
        "c": ("male", "unknown"),
        "d": ("", "known"),
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,idx\na,0\nb,first\n", r"tiny_meta.csv:3: idx is 'first': expected an integer"),
        ("id,idx\na,0.5\n", r"tiny_meta.csv:2: idx is '0.5'"),
        ("id,idx\na,inf\n", r"tiny_meta.csv:2: idx is 'inf'"),
        ("id,idx\na,nan\n", r"tiny_meta.csv:2: idx is 'nan'"),
        ("id,idx\na,-1\n", r"tiny_meta.csv:2: idx is '-1'"),
        ("id,idx\na,1e300\n", r"tiny_meta.csv:2: idx is '1e300'"),
        ("id,idx\na,0\nb,0\n", r"tiny_meta.csv:3: idx 0 is that of a too"),
        ("id,idx\na,0\na,1\n", r"tiny_meta.csv:3: a has another idx in a row before"),
        ("id,idx\na,0\n,1\n", r"tiny_meta.csv:3: the id is empty"),
        ('id,idx,n\na,0,"x\nb,1,y\nc,2,z\n', r"tiny_meta.csv:4: .* several lines"),
        ("idx,id\n0,a\n1\n", r"tiny_meta.csv:3: the row ends before its id"),
        (f"id,idx\na,0\n{'b' * 2**18},1\n", r"tiny_meta.csv:3: not a row of a CSV file"),
    ],
)
def test_rows_that_do_not_fit_are_one_line(table, content, message):
    table.write_text(content)
    with pytest.raises(RecipeError, match=message) as error:
        read_classes(table)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("read", [read_classes, read_speakers])
@pytest.mark.parametrize("row", ["a,Korea, Republic of,0", "a,x,0,,,y", "1,a,x,0"])
def test_rows_with_more_values_than_the_head_are_named(table, delimiter, read, row):
    text = f"id,nationality,idx\nb,Peru,1,,\n{row}\n".replace(",", delimiter)
    table.write_text(text)
    with pytest.raises(RecipeError, match=r"tiny_meta.csv:3: \d values, but the head has 3"):
        read(table)


def test_values_with_commas_between_quotes(table):
    table.write_text('id,nationality,idx\na,"Korea, Republic of",0\n')
    assert read_speakers(table)["a"].nationality == "Korea, Republic of"


def test_ids_are_the_names_of_files_also_where_these_are_not_utf8(table):
    table.write_bytes(b"id,idx,nationality\n\xff,0,Per\xfa\n")
    assert read_classes(table) == {"\udcff": 0}
    assert read_speakers(table) == {"\udcff": SpeakerInfo("", "Per\ufffd", "known")}


def test_rows_without_values_and_rows_that_come_twice(table):
    table.write_text("id,idx,nationality\n,,\na,0,Peru\n , \na,0,Peru\n")
    assert read_classes(table) == {"a": 0}
    assert list(read_speakers(table)) == ["a"]


def test_what_is_written_is_read(tmp_path, table):
    write_meta(tmp_path, train_speakers=["b", "a"], dev_speakers=["c"], gender={"a": "f"})
    assert read_classes(table) == {"a": 0, "b": 1, "c": None}
    assert read_speakers(table)["a"] == SpeakerInfo("female", "", "known")


@pytest.mark.parametrize("head", ["id,gender,id", "ID,Gender,gender", "id,sex,nationality,Sex "])
@pytest.mark.parametrize("read", [read_classes, read_speakers])
def test_a_column_that_comes_twice_is_an_error(table, head, read):
    table.write_text(f"{head},idx,,\na,f,b,f,0\n")
    with pytest.raises(RecipeError, match=r"tiny_meta.csv: column \w+ comes twice"):
        read(table)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,f,Peru,0\na,m,Peru,0\n", "csv:3: a has two rows: its sex is 'female' in .*csv:2"),
        ("a,f,Peru,0\nb,f,,1\na,f,Chad,0\n", "csv:4: a has two .* 'Peru' in .*csv:2 and 'Chad'"),
        ("a,f,Peru,0\na,f,Peru,\n", "csv:3: a has two rows: its known is 'known'"),
        ("a,,Peru,0\na,m,,0\na,f,,0\n", "csv:4: a .* 'male' in .*csv:3 and 'female' here"),
    ],
)
def test_rows_that_contradict_each_other_are_refused(table, rows, message):
    table.write_text(f"id,gender,nationality,idx\n{rows}")
    with pytest.raises(RecipeError, match=message):
        read_speakers(table)


def test_rows_that_repeat_or_complete_each_other_are_one(table):
    table.write_text("id,gender,nationality\na,f,\na,Female,Peru\na,F,Peru\nb,,\nb,m,\n")
    assert read_speakers(table) == {
        "a": SpeakerInfo("female", "Peru", ""),
        "b": SpeakerInfo("male", "", ""),
    }


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32-le"])
def test_tables_in_the_encodings_of_editors(table, encoding):
    table.write_bytes("id;gender;idx\r\nJürgen;m;0\r\nann;f;\r\n".encode(encoding))
    assert read_classes(table) == {"Jürgen": 0, "ann": None}
    assert read_speakers(table)["Jürgen"].sex == "male"


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_packed_tables_are_told_to_be_so(table, pack):
    table.write_bytes(pack(b"id,gender\na,f\n"))
    with pytest.raises(RecipeError, match=r"tiny_meta.csv: packed by \w+: unpack the metadata"):
        read_speakers(table)

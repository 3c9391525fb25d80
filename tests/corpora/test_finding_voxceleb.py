"""VoxCeleb is found in whatever state it lies below a folder."""

import os
import shutil
import subprocess
import tracemalloc
import zipfile

import numpy as np
import pytest
from scipy.signal import correlate

from conftest import shared
from local.corpora.decoding import open_audio
from local.corpora.voxceleb.archives import zip_paths
from local.corpora.voxceleb.download import Person, find_voxceleb
from local.corpora.voxceleb.names import PARTS
from local.corpora.voxceleb.tree import Tree
from local.errors import RecipeError
from voxceleb_trees import (
    LAYOUTS,
    NAMES,
    SPEAKERS,
    VOX1,
    VOX1_TEST,
    VOX2_TEST,
    build,
    cut,
    real_speech,
    session_of,
    spoken,
    write,
)

FEW = {"id00012": "m", "id00017": "f", "id10001": "m", "id10270": "f"}  # one of each part


def signal_at(path, folder):
    """What a path of a Download leads to, as samples: also through a zip file."""
    if not os.path.exists(path):
        archive, _, member = path.partition(".zip/")
        with zipfile.ZipFile(f"{archive}.zip") as packed:
            path = packed.extract(member, folder)
    with open_audio(path) as audio:
        return audio.read(1 << 20, dtype="float32", always_2d=True)[:, 0]


def note(found, *words):
    """The one note that holds some words."""
    (line,) = (line for line in found.notes if all(word in line for word in words))
    return line


def refused(folder):
    """What is said of a folder, in one line."""
    with pytest.raises(RecipeError) as error:
        find_voxceleb(folder)
    return str(error.value)


@pytest.mark.parametrize("layout", sorted(set(LAYOUTS) - {"download"}))
def test_each_layout_has_the_same_utterances(tmp_path, layout):
    ids = build(tmp_path / "data", layout)
    found = find_voxceleb(tmp_path / "data")
    assert list(found.paths) == ids
    assert {name: person.sex for name, person in found.speakers.items()} == SPEAKERS
    for speaker, person in found.speakers.items():
        test = speaker in VOX1_TEST | VOX2_TEST
        assert person.part == f"vox{1 if speaker in VOX1 else 2}-{'test' if test else 'dev'}"
        assert bool(person.nationality) == (speaker in VOX1)
    for identifier in (ids[0], ids[-1]):
        signal = signal_at(found.paths[identifier], tmp_path)
        expected = spoken(identifier, SPEAKERS[identifier[:7]], 0.5)
        alike = correlate(signal, expected).max()  # at the delay that AAC has
        assert alike > 0.9 * np.linalg.norm(signal) * np.linalg.norm(expected)
    assert "4 speakers, 8 sessions, 16 utterances" in note(found, "VoxCeleb1 dev: ")
    assert "incomplete, as there are 118 speakers" in note(found, "VoxCeleb2 test: ")


@pytest.mark.parametrize("folder", [*map(shared, ["tiny-librispeech"])])
def test_recorded_speech_is_found(tmp_path, folder):
    ids = build(tmp_path / "data", "downloaded", FEW, of=real_speech(folder))
    found = find_voxceleb(tmp_path / "data")
    assert list(found.paths) == ids
    assert all(len(signal_at(path, tmp_path)) > 8000 for path in found.paths.values())


def test_the_data_folder_may_be_any_on_the_way(tmp_path):
    ids = build(tmp_path / "some data/more/vox", "wav", FEW, meta=None)
    for place in ("some data", "some data/more/vox", "some data/more/vox/wav"):
        assert list(find_voxceleb(tmp_path / place).paths) == ids
    one = find_voxceleb(tmp_path / "some data/more/vox/wav/id10001")
    assert list(one.paths) == [each for each in ids if each.startswith("id10001")]


def test_paths_do_not_depend_on_where_one_stands(tmp_path, monkeypatch):
    build(tmp_path / "vox", "wav", FEW)
    monkeypatch.chdir(tmp_path)
    assert find_voxceleb("vox").paths == find_voxceleb(tmp_path / "vox").paths


def test_speakers_keep_their_names_where_no_table_tells_ids(tmp_path):
    build(tmp_path, "names", VOX1, meta=None)
    found = find_voxceleb(tmp_path)
    assert sorted(found.speakers) == sorted(NAMES.values())
    assert f"A.J._Buckley/{session_of('id10001', 0)}/00001" in found.paths
    assert found.speakers["Ezra_Miller"] == Person("", "", "vox1-test")
    assert found.speakers["Adam_Driver"].part == "vox1-dev"
    assert "vox1_meta.csv" in note(found, "6 speakers are called by their names")


@pytest.mark.parametrize(
    "text",
    [
        "VoxCeleb2 ID ,VGGFace2 ID ,Gender ,Set \nid00012 ,n000012 ,m ,dev \nid00017 ,n1 ,f ,test ",
        "VoxCeleb2ID,VGGFace2ID,Gender,Set\nid00012,n000012,M,dev\nid00017,n1,F,test\n",
        "id\tSex\tsplit\r\nid00012\tmale\ttrain\r\nid00017\tfemale\ttest\r\n",
        "Name;Identity;Gender;Set\nn000012;id00012;m;dev\nn1;id00017;f;test\n",
        "\ufeffVoxCeleb2 ID\tGender\tSet\nid00012\tm\tdev\nid00017\tf\ttest",
    ],
    ids=("published", "together", "tabs", "order", "marked"),
)
def test_tables_are_read_as_people_have_them(tmp_path, text):
    build(tmp_path / "vox", "wav", {"id00012": "m", "id00017": "f"}, meta=None)
    (tmp_path / "vox/meta").mkdir()
    (tmp_path / "vox/meta/vox2_meta.csv").write_text(text, encoding="utf-8")
    found = find_voxceleb(tmp_path / "vox")
    assert found.speakers == {
        "id00012": Person("m", "", "vox2-dev"),
        "id00017": Person("f", "", "vox2-test"),
    }


def test_tables_that_cannot_be_used_are_said(tmp_path):
    build(tmp_path, "wav", FEW)
    (tmp_path / "old").mkdir()
    (tmp_path / "old/vox1_meta.csv").write_text("id,gender\nid10001,f\nid10270,f\n")
    (tmp_path / "vox_meta_notes.txt").write_text("see the site\n")
    (tmp_path / "vox2_meta (1).csv").write_bytes(b"PK\3\4 no table")
    found = find_voxceleb(tmp_path)
    assert note(found, "contradicts", "1 speakers (id10001)").startswith(f"{tmp_path}/old/")
    assert found.speakers["id10001"].sex == "m"
    assert "no column with ids" in note(found, "vox_meta_notes.txt")
    assert "packed by zip" in note(found, "vox2_meta (1).csv")


def test_parts_of_voxceleb2_are_told_by_folders_or_not_at_all(tmp_path):
    build(tmp_path / "a", "both", FEW, meta=None)
    build(tmp_path / "b/test", "wav", FEW, meta=None)  # a folder above that tells nothing
    parts = {name: each.part for name, each in find_voxceleb(tmp_path / "a").speakers.items()}
    assert list(parts.values()) == ["vox2-dev", "vox2-test", "vox1-dev", "vox1-test"]
    found = find_voxceleb(tmp_path / "b/test/wav")
    parts = {name: each.part for name, each in found.speakers.items()}
    assert list(parts.values()) == ["", "", "vox1-dev", "vox1-test"]
    line = note(found, "would tell it")
    assert "VoxCeleb, of a part that nothing tells: 2 speakers" in line
    assert line.endswith("test set, who may be in VoxCeleb1, is left out where that is evaluated")
    assert "there is no vox1_meta.csv" in note(found, "the sex of 4 of 4 speakers")


def test_a_complete_part_is_said_to_be(tmp_path, monkeypatch):
    build(tmp_path, "wav", FEW)
    monkeypatch.setitem(PARTS, "vox1-test", PARTS["vox1-test"]._replace(speakers=1, sessions=2))
    assert "incomplete" in note(find_voxceleb(tmp_path), "VoxCeleb1 test")
    whole = PARTS["vox1-test"]._replace(utterances=4)
    monkeypatch.setitem(PARTS, "vox1-test", whole)
    assert note(find_voxceleb(tmp_path), "VoxCeleb1 test").endswith(f"{tmp_path}/wav: complete")
    monkeypatch.setitem(PARTS, "vox1-test", whole._replace(utterances=3))
    assert "not as published" in note(find_voxceleb(tmp_path), "VoxCeleb1 test")


def test_a_zip_file_beside_what_was_unpacked_is_taken_where_that_lacks_something(tmp_path):
    ids = build(tmp_path, "zips", FEW)
    for archive in tmp_path.glob("*.zip"):
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(tmp_path / archive.stem)
    found = find_voxceleb(tmp_path)
    assert list(found.paths) == ids and not any(".zip" in path for path in found.paths.values())
    assert "its 4 utterances are there already" in note(found, "vox1_dev_wav.zip: ")
    lost = next(path for path in found.paths.values() if "id10001" in path)
    os.remove(lost)
    found = find_voxceleb(tmp_path)
    assert list(found.paths) == ids
    packed = [identifier for identifier, path in found.paths.items() if ".zip/" in path]
    assert packed == [each for each in ids if each.startswith("id10001")]
    assert "3 of its 4 utterances are there already, but not all" in note(found, "all are read")


def test_a_zip_file_with_other_things_is_left_out(tmp_path):
    ids = build(tmp_path, "zips", FEW)
    with zipfile.ZipFile(tmp_path / "vox1_test_wav.zip", "a") as archive:
        for name in ("wav/id10270/v/.00001.wav", "__MACOSX/wav/id10270/v/00001.wav", "a.txt"):
            archive.writestr(name, "0")
        archive.writestr("wav/id10270/v/00009.wav", "")
    with zipfile.ZipFile(tmp_path / "vox2_dev_txt.zip", "w") as archive:
        archive.writestr("txt/id00012/v/00001.txt", "frames")
    (tmp_path / "photos.zip").write_bytes(b"PK\3\4")
    found = find_voxceleb(tmp_path)
    assert list(found.paths) == ids
    assert "without audio" in note(found, "vox2_dev_txt.zip")
    assert "no whole zip file" in note(found, "photos.zip")
    assert "1 empty files" in note(found, "00009.wav")


@pytest.mark.parametrize("kind", ["truncated", "lost", "empty", "no end", "no list"])
def test_a_damaged_zip_file_is_named(tmp_path, kind, monkeypatch):
    build(tmp_path, "zips", FEW)
    path = tmp_path / "vox1_dev_wav.zip"
    content = path.read_bytes()
    damaged = {
        "truncated": content[: len(content) // 2],
        "lost": content[:1000] + content[9000:],  # as without one of several pieces
        "empty": b"",
        "no end": content[:-22],
        "no list": content[:-200] + b"0" * 100 + content[-100:],
    }
    path.write_bytes(damaged[kind])
    line = refused(tmp_path)
    assert line.startswith(f"{path}: no whole zip file: ") and "download or join it again" in line
    with zipfile.ZipFile(tmp_path / "vox1_test_wav.zip") as packed:
        packed.extractall(tmp_path / "test")
    (tmp_path / "vox1_test_wav.zip").write_bytes(damaged[kind])
    path.write_bytes(content)
    assert "vox1_test_wav.zip" in refused(tmp_path)
    monkeypatch.setitem(PARTS, "vox1-test", PARTS["vox1-test"]._replace(utterances=4))
    assert note(find_voxceleb(tmp_path), "ignored: ", "vox1_test_wav.zip", "no whole zip file")


def test_members_of_large_zip_files_are_not_kept(tmp_path):
    """The list of VoxCeleb2's 1.09 million members would take more than 1 GB else."""
    count = 4_000
    with zipfile.ZipFile(tmp_path / "vox.zip", "w") as archive:
        for number in range(count):
            archive.writestr(f"dev/aac/id{12 + number // 100:05}/v/{number % 100:05}.m4a", b"0")
    tracemalloc.start()
    try:
        paths = zip_paths(str(tmp_path / "vox.zip"), Tree())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(paths) == count
    assert peak / count < 600


def test_pieces_are_to_be_joined_by_the_line_that_is_told(tmp_path):
    folder = tmp_path / "my data"
    ids = build(folder, "download", FEW)
    line = refused(folder)
    assert line.count("join them: ") == 2
    for command in line.split("join them: ")[1:]:
        subprocess.run(["bash", "-c", command.split(";")[0]], check=True)
    found = find_voxceleb(folder)
    assert list(found.paths) == ids
    assert "what they hold is there" in note(found, "vox2_dev_aac_partaa")
    for path in (*folder.glob("*part*"), folder / "vox2_test_aac.zip"):
        path.unlink()
    with zipfile.ZipFile(folder / "vox2_dev_aac.zip") as packed:
        packed.extractall(folder)
    cut(folder / "vox2_dev_aac.zip")
    found = find_voxceleb(folder)  # unpacked, as far as anybody can tell
    assert len(found.paths) == len(ids) - 4
    assert "join them: cat" in note(found, "ignored: ", "vox2_dev_aac_partaa")


def test_pieces_that_are_missing_or_not_complete_are_named(tmp_path):
    build(tmp_path, "download", {"id10001": "m", "id10006": "f"})
    piece = tmp_path / "vox1_dev_wav_partab"
    content = piece.read_bytes()
    piece.write_bytes(content[:-1])
    (tmp_path / "vox1_dev_wav_partad").unlink()
    line = refused(tmp_path)
    assert "download what is missing (vox1_dev_wav_partad)" in line
    assert "download again what is not complete (vox1_dev_wav_partab), then join them" in line
    piece.unlink()
    assert "(vox1_dev_wav_partab, vox1_dev_wav_partad)" in refused(tmp_path)


def test_what_is_not_taken_is_counted(tmp_path):
    ids = build(tmp_path, "beside", FEW)
    first, second = (tmp_path / f"wav/{identifier}.wav" for identifier in ids[-2:])
    first.write_bytes(b"")  # the decoding was stopped; the m4a is there
    for name in (".DS_Store", "._00001.wav", "00001.txt", "00003.wav.part", "notes"):
        (second.parent / name).write_bytes(b"0")
    for name in ("__MACOSX", ".cache"):
        (tmp_path / name / "id10001/v").mkdir(parents=True)
        (tmp_path / name / "id10001/v/00001.wav").write_bytes(b"0")
    write(tmp_path / "music/song.wav", np.zeros(100))
    (second.parent / "00007.wav").symlink_to(tmp_path / "nowhere.wav")
    found = find_voxceleb(tmp_path)
    assert list(found.paths) == ids
    assert found.paths[ids[-2]].endswith(".m4a") and found.paths[ids[-1]].endswith(".wav")
    line = note(found, "ignored: ")
    for reason in (
        *("2 hidden files", "1 .txt", "1 unfinished downloads", "1 files without an extension"),
        *("1 empty files", "2 hidden folders", "1 links that lead nowhere", "1 audio files that"),
    ):
        assert reason in line
    assert note(found, f"{len(ids) - 1} utterances as .wav and as .m4a: .wav taken")


def test_an_utterance_that_lies_there_twice_is_taken_once(tmp_path):
    ids = build(tmp_path, "parts", FEW)
    shutil.copytree(tmp_path / "vox1_dev_wav", tmp_path / "copy")
    found = find_voxceleb(tmp_path)
    assert list(found.paths) == ids
    assert "copy/wav/id10001" in note(found, "4 utterances lie there twice")


def test_links_are_followed_but_not_in_circles(tmp_path):
    ids = build(tmp_path / "data", "links", FEW)
    (tmp_path / "data/wav/again").symlink_to(tmp_path / "data")
    (tmp_path / "data/up").symlink_to(tmp_path)
    (tmp_path / "data/loop").symlink_to(tmp_path / "data/loop")
    (tmp_path / "data/twice").symlink_to(tmp_path / "data disk 0")
    (tmp_path / "all").symlink_to(tmp_path / "data")
    for folder in ("data", "all"):
        found = find_voxceleb(tmp_path / folder)
        assert list(found.paths) == ids
        assert "links to what is there already" in note(found, "ignored: ")


def test_where_there_is_none_it_is_said_what_is_there(tmp_path):
    assert "no such folder" in refused(tmp_path / "none")
    assert "the folder is empty" in refused(tmp_path)
    write(tmp_path / "ann/monday/hello.wav", np.zeros(100))
    (tmp_path / "readme.txt").write_text("hello")
    line = refused(tmp_path)
    assert "looked for id10001/1zcIwhmdeo4/00001.wav" in line
    assert "there is ann, readme.txt; ignored: " in line

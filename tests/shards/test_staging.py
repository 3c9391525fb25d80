"""Shards on a scratch disk: complete, checked, copied once, and nothing else beside them."""

import contextlib
import dataclasses
import gzip
import hashlib
import json
import multiprocessing
import os
import shutil
import subprocess
import threading
import time

import pytest

from conftest import RECIPE
from http_server import HttpServer
from local.errors import RecipeError
from local.shards import (
    MappedShards,
    copying,
    index_shards,
    list_shards,
    prepare_split,
    remote,
    speakers_by_class,
    stage_shards,
)
from local.shards.sources import can_be_mapped
from s3_server import environment, serve_s3
from shard_writing import original_layout
from warm_python import warm_python

NAMES = ["shard-000000.tar", "shard-000001.partial.tar"]


@pytest.fixture
def data(tmp_path):
    for split in ("train", "val"):
        original_layout(tmp_path / "data" / split, counts=(9, 4))
    return tmp_path / "data"


@pytest.fixture
def scratch(tmp_path):
    return tmp_path / "scratch"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(remote, "FIRST_DELAY", 0.01)


def content(folder):
    return {path.name: path.read_bytes() for path in folder.glob("shard-*")}


def times(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("shard-*")}


def test_splits_and_their_index(data, scratch):
    for split in ("train", "val"):
        staged = stage_shards(str(data / split), scratch / split)
        assert staged == list_shards(scratch / split)
        assert content(scratch / split) == content(data / split)
    index = index_shards(scratch / "train")
    assert index.mapped and len(index) == 13


@pytest.mark.parametrize("ending", [".tar.gz", ".tgz"])
def test_packed_shards_are_unpacked(data, scratch, ending):
    expected = content(data / "train")
    for path in (data / "train").glob("*.tar"):
        packed = gzip.compress(path.read_bytes())
        path.with_name(path.name.removesuffix(".tar") + ending).write_bytes(packed)
        path.unlink()
    stage_shards(data / "train", scratch / "train")
    assert content(scratch / "train") == expected


def test_from_a_web_server_over_dropped_connections(data, scratch):
    with HttpServer(data) as server:
        server.drop("shard-000000", after=5000, times=3)
        stage_shards(f"{server.url}/train", scratch / "train")
        made = len(server.gets("shard"))
        stage_shards(f"{server.url}/train", scratch / "train")
        assert len(server.gets("shard")) == made
    assert content(scratch / "train") == content(data / "train")


def test_from_s3(data, scratch, monkeypatch):
    with serve_s3(data.parent) as endpoint:
        for name, value in environment(endpoint).items():
            monkeypatch.setenv(name, value)
        import s3fs

        s3fs.S3FileSystem.clear_instance_cache()
        stage_shards("s3://data/train", scratch / "train")
    assert content(scratch / "train") == content(data / "train")


def test_commands_and_other_names_are_numbered(data, scratch):
    for number, name in enumerate(NAMES):
        (data / "train" / name).rename(data / "train" / f"part-{number}.tar")
    parts = [(data / "train" / f"part-{number}.tar").read_bytes() for number in (0, 1)]
    for name, command in (("a", ""), ("b", "pipe:cat ")):
        for _ in range(2):
            shards = stage_shards(f"{command}{data}/train/part-{{1,0}}.tar", scratch / name)
            assert shards == list_shards(scratch / name)
            assert [shard.name for shard in shards] == ["shard-000000.tar", "shard-000001.tar"]
            assert [shard.read_bytes() for shard in shards] == parts[::-1]
            assert all(map(can_be_mapped, shards))


def test_what_is_unchanged_is_not_copied_again(data, scratch):
    stage_shards(data / "train", scratch / "train")
    before = times(scratch / "train")
    stage_shards(data / "train", scratch / "train")
    assert times(scratch / "train") == before
    os.utime(data / "train" / NAMES[0], ns=(1, 1))  # the source has changed
    (scratch / "train" / NAMES[1]).write_bytes(b"spoilt")  # and so has a copy
    stage_shards(data / "train", scratch / "train")
    after = times(scratch / "train")
    assert all(after[name] != before[name] for name in NAMES)
    assert content(scratch / "train") == content(data / "train")


def test_shards_that_are_gone_are_removed(data, scratch):
    stage_shards(data / "train", scratch / "train")
    (data / "train" / NAMES[1]).unlink()
    stage_shards(data / "train", scratch / "train")
    assert list(content(scratch / "train")) == NAMES[:1]
    assert len(list((scratch / "train").iterdir())) == 3  # the shard, its note, the manifest


def test_shards_of_somebody_else_are_left(data, scratch):
    foreign = scratch / "train" / "shard-000000.tar"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"precious")
    with pytest.raises(RecipeError, match=rf"{foreign}: was not copied there"):
        stage_shards(data / "train", scratch / "train")
    assert foreign.read_bytes() == b"precious"
    with pytest.raises(RecipeError, match="was not copied there"):
        stage_shards(data / "train", data / "train")  # onto itself
    assert len(index_shards(data / "train")) == 13


def test_copies_of_other_data_are_left(data, scratch, tmp_path):
    stage_shards(data / "train", scratch / "train")
    before = {path.name: path.read_bytes() for path in (scratch / "train").glob("shard-*")}
    other = shutil.copytree(data / "train", tmp_path / "other")
    with pytest.raises(RecipeError, match=r"shard-\S*tar: was not copied there from .*other"):
        stage_shards(other, scratch / "train")
    assert {p.name: p.read_bytes() for p in (scratch / "train").glob("shard-*")} == before


@pytest.mark.parametrize("keep", [0.5, 0.8])
def test_a_truncated_source_is_named(data, scratch, keep):
    shard = data / "train" / NAMES[1]
    content = shard.read_bytes()
    shard.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(RecipeError, match=f"train/{NAMES[1]}: truncated or damaged") as error:
        stage_shards(data / "train", scratch / "train")
    assert str(scratch) not in str(error.value)
    assert not (scratch / "train" / NAMES[1]).exists()


def test_the_note_holds_the_checksum(data, scratch):
    stage_shards(data / "train", scratch / "train")
    note = json.loads((scratch / "train" / f".{NAMES[0]}.json").read_text())
    assert note["sha256"] == hashlib.sha256((data / "train" / NAMES[0]).read_bytes()).hexdigest()
    assert note["source"] == str(data / "train" / NAMES[0])


def test_a_source_that_changes_under_the_copy(data, scratch):
    def change():
        while not list(scratch.glob("train/.shard-000000*.partial")):
            time.sleep(0.01)
        os.utime(data / "train" / NAMES[0])

    with HttpServer(data) as server:
        server.stall("shard-000000", after=6000, seconds=1)
        changing = threading.Thread(target=change)
        changing.start()
        with pytest.raises(RecipeError, match=r"shard-000000.tar: changed while it was"):
            stage_shards(f"{server.url}/train", scratch / "train")
        changing.join()
    assert not content(scratch / "train")


def test_a_truncated_source(data, scratch):
    shard = data / "train" / NAMES[0]
    packed = shard.with_suffix(".tar.gz")
    packed.write_bytes(gzip.compress(shard.read_bytes())[:-100])
    shard.unlink()
    with pytest.raises(RecipeError, match=rf"{packed}: truncated or damaged archive"):
        stage_shards(data / "train", scratch / "train")
    assert not content(scratch / "train")
    assert not list(scratch.rglob("*.partial"))


def stage_in_a_process(source, folder):
    arguments = (source, folder / "train")
    process = multiprocessing.get_context("fork").Process(target=stage_shards, args=arguments)
    process.start()
    return process


def test_several_processes_copy_once(data, scratch):
    with HttpServer(data) as server:
        server.stall("shard-000000", after=5000, seconds=1)
        processes = [stage_in_a_process(f"{server.url}/train", scratch) for _ in range(3)]
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0, 0, 0]
        assert len(server.gets("shard")) == 3  # two shards, of which one in two parts
    assert content(scratch / "train") == content(data / "train")


def test_killed_and_started_again(data, scratch):
    with HttpServer(data) as server:
        server.stall("shard-000001", after=5000, seconds=60)
        process = stage_in_a_process(f"{server.url}/train", scratch)
        # They are asked for side by side: the first has to be in place, too.
        while process.is_alive() and not (
            server.gets("shard-000001") and (scratch / "train" / NAMES[0]).is_file()
        ):
            time.sleep(0.01)
        process.kill()
        process.join()
        assert list(content(scratch / "train")) == NAMES[:1]
        first = len(server.gets("shard-000000"))
        stage_shards(f"{server.url}/train", scratch / "train")
        assert len(server.gets("shard-000000")) == first
    assert content(scratch / "train") == content(data / "train")
    assert not list(scratch.rglob("*.partial"))


@pytest.mark.parametrize("option", ["stage_shards_to", "shard_cache"], ids=["staged", "cached"])
@pytest.mark.parametrize(
    "names", ["", "/shard-{000000,000001.partial}.tar"], ids=["folder", "list"]
)
def test_copies_are_used_while_the_server_is_down(data, tmp_path, option, names, caplog):
    near = tmp_path / "near"
    original_layout(data / "other", counts=(5,), speaker="id2000")

    def prepare(source):
        return prepare_split(source, "train", tmp_path / "index", **{option: near})

    with HttpServer(data) as server:
        source = f"{server.url}/train{names},{server.url}/other"
        before = prepare(source)
    caplog.clear()
    after = prepare(source)
    assert after.shards == before.shards and after.stamps == before.stamps
    assert speakers_by_class(after) == speakers_by_class(before)
    assert MappedShards(after).samples(0).size == 16000
    said = [record.message for record in caplog.records if "the copies of 20" in record.message]
    folders = {shard.parent for shard in after.shards}
    assert len(said) == len(folders)
    assert all(f" in {folder} are used" in "".join(said) for folder in folders)
    with pytest.raises(RecipeError, match="train_shards: .*: cannot be read, after"):
        prepare(f"{source},{server.url}/val")  # which was not copied
    after.shards[0].unlink()
    with pytest.raises(RecipeError, match="train_shards: .*: cannot be read, after"):
        prepare(source)


def test_an_answer_that_there_is_nothing_is_not_a_server_that_is_down(data, scratch):
    with HttpServer(data) as server:
        stage_shards(f"{server.url}/train", scratch / "train")
        shutil.rmtree(data / "train")
        with pytest.raises(RecipeError, match="answers 404"):
            stage_shards(f"{server.url}/train", scratch / "train")


def test_each_machine_has_copies_of_its_own(data, tmp_path, monkeypatch):
    def on_another_machine(function, *arguments):
        found = function(*arguments)
        if function is index_shards:
            found = dataclasses.replace(found, stamps=["1 1" for _ in found.stamps])
        return found

    monkeypatch.setattr("local.processes.on_main", on_another_machine)
    index = prepare_split(data / "train", "train", tmp_path, stage_shards_to=tmp_path / "disk")
    assert MappedShards(index).samples(0).size == 16000


@contextlib.contextmanager
def small_disk(folder, size):
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode:
        pytest.skip(f"no disk of its own here: {answer.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_disk_that_is_too_small(data, tmp_path):
    shard = data / "train" / NAMES[0]
    with small_disk(tmp_path / "disk", 200 << 10) as disk:
        with pytest.raises(RecipeError, match=r"disk/train: [\d,]+ bytes are to be copied"):
            stage_shards(data / "train", disk / "train")
        assert not list(disk.glob("train/*"))
        # Of a command nobody knows how much it will be.
        with pytest.raises(RecipeError, match=r"shard-000000.tar: the disk is full after [\d,]+"):
            stage_shards(f"pipe:cat {shard}", disk / "train")
        assert not [path for path in disk.glob("train/*") if path.suffix != ".json"]


def test_a_disk_that_does_not_hold_what_was_written(data, scratch, tmp_path):
    """Found where the file is spoilt before it is read back: here, by what reports the progress."""
    target = tmp_path / "shard-000000.tar"

    def spoil(_):
        (partial,) = tmp_path.glob(".shard-000000.tar.*.partial")
        os.truncate(partial, 0)

    source = data / "train" / NAMES[0]
    with open(source, "rb") as file, pytest.raises(RecipeError, match="holds another content"):
        copying.copy_verified(file, target, spoil)
    assert not target.exists()


def test_a_folder_that_cannot_be_made(data, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RecipeError, match="file: shards cannot be copied there"):
        stage_shards(data / "train", tmp_path / "file")


@pytest.mark.long
def test_command_line(data, scratch):
    command = [warm_python(), "-m", "local.shards.stage"]
    answers = [
        subprocess.run([*command, source, scratch], cwd=RECIPE, capture_output=True, text=True)
        for source in (data / "train", data / "nowhere")
    ]
    assert [answer.returncode for answer in answers] == [0, 1]
    assert content(scratch) == content(data / "train")
    assert answers[1].stderr == (
        f"error: {data}/nowhere: expected shards named shard-*.tar, but the folder does not exist\n"
    )

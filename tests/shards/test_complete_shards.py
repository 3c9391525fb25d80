"""Shards of which some are missing: named, wherever they lie, instead of trained without."""

import gzip
import json
import re
import shutil

import pytest

from http_server import HttpServer
from local.errors import RecipeError
from local.shards import index_shards, list_shards, prepare_split, stage_shards, write_shards
from shard_writing import member_pair, original_layout, wav_bytes, write_tar


@pytest.fixture
def original(tmp_path):
    """Six shards without a manifest."""
    original_layout(tmp_path / "data/train", counts=(2, 2, 2, 2, 2, 1))
    return tmp_path / "data/train"


def write_three(folder, size):
    """Shards of three utterances, so many in each."""
    for speaker in "abc":
        path = folder / f"tree/dev/{speaker}/x/0.wav"
        path.parent.mkdir(parents=True)
        path.write_bytes(wav_bytes(800, seed=ord(speaker)))
    (folder / "meta.csv").write_text("id,idx\n")
    write_shards(folder / "tree", folder / "meta.csv", folder / "data", size=size)
    return folder / "data/dev"


@pytest.fixture
def written(tmp_path):
    """Three shards of our own."""
    return write_three(tmp_path, size=1)


def refused(folder, message):
    """Here, copied from here, and from a web server."""
    with HttpServer(folder.parent) as server:
        for source in (folder, f"file://{folder}", f"{server.url}/{folder.name}"):
            with pytest.raises(RecipeError, match=message):
                list_shards(source)
            with pytest.raises(RecipeError, match=message):
                stage_shards(source, folder.parent / "copy")


@pytest.mark.parametrize("missing", [[0], [2], [1, 3, 4], [0, 1, 2, 3, 4]])
def test_a_gap_in_the_numbers_is_told(original, missing):
    for number in missing:
        (original / f"shard-{number:06d}.tar").unlink()
    names = ", ".join(f"shard-{number:06d}" for number in missing)
    refused(original, rf"train: {6 - len(missing)} of 6 shards are there, {names} (is|are) missing")
    assert len(list_shards(f"{original}/shard-000005.partial.tar")) == 1  # asked for by name


def test_two_shards_of_one_number(original):
    shutil.copy(original / "shard-000003.tar", original / "shard-000003 (1).tar")
    refused(original, r"shard-000003 \(1\).tar and shard-000003.tar have one number")


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_missing_shard_is_told_by_the_manifest(written, number):
    (written / f"shard-{number:06d}.tar").unlink()
    refused(written, f"shards.json tells of 3 shards, and shard-{number:06d} is missing")
    with pytest.raises(RecipeError, match="is missing"):  # nor does the writer keep such shards
        write_shards(written.parents[1] / "tree", written.parents[1] / "meta.csv", written.parent)


def test_shards_that_were_added_are_numbered_on(written):
    shutil.copy(written / "shard-000000.tar", written / "shard-000003.tar")
    assert len(list_shards(written)) == 4
    (written / "shard-000003.tar").rename(written / "shard-000004.tar")
    refused(written, "4 of 5 shards are there, shard-000003 is missing")


@pytest.mark.parametrize("name", ["shard-000002.partial.tar", "shard-000002.tar.gz"])
def test_a_leftover_of_another_set(written, name):
    shutil.copy(written / "shard-000000.tar", written / name)
    refused(written, "shard-000002.* have one number")


def test_a_shard_of_another_size_is_told_by_the_manifest(written):
    (written / "shard-000001.tar").write_bytes(b"")
    with pytest.raises(RecipeError, match="shard-000001.tar: holds 0 bytes where shards.json"):
        list_shards(written)


def rewrite(shard, count, padded):
    """Other samples in a shard, which keeps its size if that is wanted."""
    size = shard.stat().st_size
    pairs = [member_pair(n, f"z/x/{n}", num_frames=800 // count) for n in range(count)]
    write_tar(shard, [member for pair in pairs for member in pair])
    shard.write_bytes(shard.read_bytes().ljust(size if padded else size + 512, b"\0"))
    assert (shard.stat().st_size == size) == padded


REWRITTEN = {  # whether a shard of two samples gets the size that it had, and how many samples
    "cut at a member": (True, 1, "holds 1 samples where shards.json tells 2"),
    "one more": (True, 3, "holds 3 samples where shards.json tells 2"),
    "another size": (False, 2, r"holds [\d,]+ bytes where shards.json tells [\d,]+"),
}


@pytest.mark.parametrize("padded, count, message", REWRITTEN.values(), ids=REWRITTEN.keys())
def test_a_shard_that_was_rewritten_is_told_by_the_manifest(tmp_path, padded, count, message):
    folder = write_three(tmp_path, size=2)
    index_shards(folder, tmp_path / "index.npz")
    rewrite(folder / "shard-000000.tar", count, padded)
    named = f"{folder}/shard-{{000000..000000}}.tar"  # by name, without its folder
    with HttpServer(folder.parent) as server:
        url = f"{server.url}/{folder.name}"
        options = {"stream": {}, "map": {"mapped": True}, "cache": {"shard_cache": tmp_path / "c"}}
        options["stage"] = {"stage_shards_to": tmp_path / "staged"}
        for source, way in [
            (folder, "stream"),
            (named, "stream"),
            *((url, way) for way in options),
        ]:
            with pytest.raises(RecipeError, match=f"shard-000000.tar: {message}; copy it again"):
                prepare_split(source, "dev", tmp_path / f"index-{way}", **options[way])
    with pytest.raises(RecipeError, match=message):
        index_shards(folder, tmp_path / "index.npz")
    (folder / "shards.json").unlink()
    assert len(index_shards(folder)) == count + 1


def test_copies_know_what_the_manifest_told(tmp_path):
    folder = write_three(tmp_path, size=2)
    with HttpServer(folder.parent) as server:
        stage_shards(f"{server.url}/{folder.name}", tmp_path / "copy")
    told = (folder / "shards.json").read_text()
    assert (tmp_path / "copy/shards.json").read_text() == told and '"audio"' in told
    rewrite(tmp_path / "copy/shard-000000.tar", 1, padded=True)
    with pytest.raises(RecipeError, match="copy/shard-000000.tar: holds 1 samples where"):
        index_shards(tmp_path / "copy")


def test_a_manifest_of_an_earlier_version(written):
    told = json.loads((written / "shards.json").read_text())
    for values in told["shards"].values():
        del values["audio"], values["samples"]
    (written / "shards.json").write_text(json.dumps(told))
    assert not index_shards(written).digests.any()


SPOILT = [
    *("", "[]", '{"shards": 3}', '{"shards": {"a.tar": 1}}', "\0", "[" * 100_000),
    *('{"shards": {"a.tar": {"samples": "2"}}}', '{"shards": {"a.tar": {"bytes": -1}}}'),
    '{"shards": {"a.tar": {"samples": 1, "audio": "AAAA"}}}',
    '{"shards": {"a.tar": {"samples": 1, "audio": 3}}}',
    '{"shards": {"a.tar": {"audio": "AAAA"}}}',
    '{"shards": {"a.tar": {"samples": true}}}',
]


@pytest.mark.parametrize("content", SPOILT, ids=range(len(SPOILT)))
def test_a_spoilt_manifest(written, content):
    (written / "shards.json").write_text(content)
    refused(written, re.escape("dev/shards.json: not a list of shards"))


def test_without_its_manifest_a_folder_is_read_as_it_is(written):
    (written / "shards.json").unlink()
    assert len(index_shards(written)) == 3


def test_copies_of_some_shards_are_all_there(original, tmp_path):
    stage_shards(f"{original}/shard-{{000002..000004}}.tar", tmp_path / "copy")
    assert len(list_shards(tmp_path / "copy")) == 3
    (tmp_path / "copy/shard-000004.tar").unlink()  # as an interrupted copy leaves it
    with pytest.raises(RecipeError, match="shard-000004 is missing"):
        list_shards(tmp_path / "copy")


def test_a_partial_shard_may_be_renamed(tmp_path):
    last = write_three(tmp_path, size=2) / "shard-000001.partial.tar"
    last.rename(last.with_name("shard-000001.tar"))
    assert len(index_shards(last.parent)) == 3


UNFINISHED = [
    *("shard-000006.tar.part", "shard-000006.part", "shard-000005.tar.filepart"),
    *(".shard-000006.tar.aX4k2f", "shard-000006.tar.6Ab3F2dE", "shard-000006.tar.crdownload"),
    *("shard-000006.tmp", "shard-000006.partial", "a.tar.gz.part", ".shard-000006.tar.x.partial"),
]
OTHER_CASE = ["shard-000006.TAR", "SHARD-000006.tar", "shard-000006.Tar.Gz", "shard-000006.TGZ"]
UNREAD = ["shard-000006.tar.xz", "shard-000006.zip", "shard-000006"]


@pytest.mark.parametrize("name", [*UNFINISHED, *OTHER_CASE, *UNREAD])
def test_what_looks_like_a_shard_is_not_passed_over(original, name):
    shutil.copy(original / "shard-000000.tar", original / name)
    for message in (f"train: {re.escape(name)}: no shard-", "finish what was copied in part"):
        refused(original, message) if name[0] != "." else refused_here(original, message)


def refused_here(folder, message):
    with pytest.raises(RecipeError, match=message):  # no server lists hidden files
        list_shards(folder)


@pytest.mark.parametrize("name", ["SHARD-000000.TAR", "shard-000000.tar.part"])
def test_a_folder_with_nothing_else(tmp_path, name):
    write_tar(tmp_path / "train" / name, member_pair(0, "a/x/0"))
    refused(tmp_path / "train", f"train: {name}: no shard-")


BESIDE = ["shard-000000.tar.md5", "shard-000000.idx", "README.txt", ".DS_Store", "b.tmp", "x.part"]


@pytest.mark.parametrize("name", [*BESIDE, "._shard-000000.tar", ".shard-000000.tar.json"])
def test_other_files_may_lie_beside_shards(original, name):
    (original / name).write_text("")
    (original / "shard-000000").mkdir()
    assert len(list_shards(original)) == 6


def test_a_leftover_of_a_shard_that_the_manifest_knows(written):
    for name in ("shard-000001.tar.part", ".shard-000001.tar.aX4k2f"):
        shutil.copy(written / "shard-000001.tar", written / name)
    assert len(list_shards(written)) == 3
    (written / "shard-000001.tar").unlink()
    refused_here(written, r"dev: .shard-000001.tar.aX4k2f, shard-000001.tar.part: no shard-")


@pytest.mark.parametrize("lost", [1, 2, 5])
def test_a_tail_of_zeros_that_a_copy_has_not_filled(original, lost):
    """Cut between two samples, as if there had been fewer of them."""
    shard = original / "shard-000004.tar"
    pairs = [member_pair(number, f"a/x/{number}") for number in range(6)]
    write_tar(shard, [member for pair in pairs for member in pair])
    size = shard.stat().st_size
    write_tar(shard, [member for pair in pairs[:-lost] for member in pair])
    end = len(shard.read_bytes().rstrip(b"\0"))
    with open(shard, "r+b") as file:
        file.truncate(end)
        file.truncate(size)
    with pytest.raises(RecipeError, match=r"000004.tar: .*zeros behind its end.*copy it again"):
        index_shards(original)
    packed = gzip.compress(shard.read_bytes())
    shard.unlink()
    (original / "shard-000004.tar.gz").write_bytes(packed)
    for read in (index_shards, lambda folder: stage_shards(folder, original.parent / "copy")):
        with pytest.raises(RecipeError, match=r"000004.tar.gz: .*zeros behind its end"):
            read(original)

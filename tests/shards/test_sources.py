"""Shards from everywhere: listed, read whole, fetched once, whatever the network does."""

import gzip
import hashlib
import multiprocessing
import os
import shutil
import tarfile
import time

import pytest
import s3fs

from http_server import HttpServer
from local.errors import RecipeError
from local.shards import list_shards, open_shard, prepare_split, remote
from local.shards.copies import plan_copies
from local.shards.sources import can_be_mapped, stamp_of, stamps_of
from s3_server import environment, serve_s3
from shard_writing import original_layout

NAMES = ["shard-000000.tar", "shard-000001.partial.tar"]


@pytest.fixture
def data(tmp_path):
    """train/ with two shards, each larger than what is read at a time."""
    folder = tmp_path / "data"
    original_layout(folder / "train", counts=(70, 40))
    return folder


@pytest.fixture
def server(data):
    with HttpServer(data) as server:
        yield server


@pytest.fixture
def plain_server(data):
    """As python -m http.server: it cannot begin in the middle of a file."""
    with HttpServer(data, ranges=False) as server:
        yield server


@pytest.fixture
def s3(data, monkeypatch):
    with serve_s3(data.parent) as endpoint:
        for name, value in environment(endpoint).items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("AWS_PROFILE", raising=False)
        forget_connections()
        yield "s3://data"


def forget_connections():
    """fsspec keeps a connection for its arguments; a process whose environment changes has none."""
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(remote, "FIRST_DELAY", 0.01)


def read(shard, **options):
    with open_shard(shard, **options) as file:
        return file.read()


def fetch(shard, cache):
    """The copy of a shard as `shard_cache` has it."""
    copies = plan_copies([shard], cache, unpacked=False)
    copies.complete()
    return copies.shards[0]


def expected(data, name=NAMES[0]):
    return (data / "train" / name).read_bytes()


def pack(folder, ending=".tar.gz"):
    """Pack the shards of a folder with gzip; the plain ones are removed."""
    for shard in list(folder.glob("shard-*.tar")):
        shard.with_name(shard.name.removesuffix(".tar") + ending).write_bytes(
            gzip.compress(shard.read_bytes(), 1)
        )
        shard.unlink()


def test_a_local_folder_a_file_and_a_list(data):
    train = data / "train"
    shards = [train / name for name in NAMES]
    assert list_shards(train) == list_shards(str(train)) == shards
    assert list_shards(f"file://{train}/{NAMES[0]}") == shards[:1]
    assert list_shards(f"{train}/shard-{{000000,000001.partial}}.tar") == shards
    assert all(map(can_be_mapped, shards))
    assert read(shards[0]) == expected(data)
    with pytest.raises(RecipeError, match=r"train/shard-000001.tar: no such shard"):
        list_shards(f"{train}/shard-{{000000..000001}}.tar")
    with pytest.raises(RecipeError, match="as many { as }"):
        list_shards(f"{train}/shard-{{000000..000001.tar")


def test_a_folder_with_braces_in_its_name(data, tmp_path):
    shutil.move(data, tmp_path / "{a,b}")
    assert len(list_shards(str(tmp_path / "{a,b}/train"))) == 2


@pytest.mark.parametrize("ending", [".tar.gz", ".tgz"])
def test_packed_shards(data, ending):
    content = expected(data)
    pack(data / "train", ending)
    shard, _ = list_shards(data / "train")
    assert shard.name == f"shard-000000{ending}" and not can_be_mapped(shard)
    assert read(shard) == content
    shard.write_bytes(shard.read_bytes()[:-5000])
    with pytest.raises(RecipeError, match=rf"{shard}: truncated or damaged archive"):
        read(shard)
    shard.write_bytes(shard.read_bytes()[:3000] + bytes(300) + shard.read_bytes()[3300:])
    with pytest.raises(RecipeError, match=rf"{shard}: truncated or damaged archive"):
        read(shard)


def test_a_local_stamp_tells_a_change(data):
    shard = data / "train" / NAMES[0]
    before = stamp_of(shard)
    assert stamp_of(shard) == before
    os.utime(shard, ns=(1, 1))
    assert stamp_of(shard) != before
    with pytest.raises(RecipeError, match="nowhere.tar: cannot be read"):
        stamp_of(data / "nowhere.tar")


def test_http_folder_and_list(data, server):
    urls = [f"{server.url}/train/{name}" for name in NAMES]
    assert list_shards(f"{server.url}/train") == list_shards(f"{server.url}/train/") == urls
    assert list_shards(f"{server.url}/train/shard-{{000000,000001.partial}}.tar") == urls
    assert not can_be_mapped(urls[0])
    assert [read(url) for url in urls] == [expected(data, name) for name in NAMES]
    assert len(server.gets("tar")) == 2  # one connection a shard


def test_packed_shards_over_http_and_through_tarfile(data, server):
    with tarfile.open(data / "train" / NAMES[0]) as archive:
        names = archive.getnames()
    pack(data / "train")
    shard = list_shards(f"{server.url}/train")[0]
    with open_shard(shard) as file, tarfile.open(fileobj=file, mode="r|") as archive:
        assert [member.name for member in archive] == names


def test_http_stamps_tell_a_change(data, server):
    shards = list_shards(f"{server.url}/train")
    before = stamps_of(shards)
    assert stamps_of(shards) == before == [stamp_of(shard) for shard in shards]
    os.utime(data / "train" / NAMES[1], ns=(1, 1))
    assert stamps_of(shards)[0] == before[0] and stamps_of(shards)[1] != before[1]
    server.fail("shard", 405, times=99, method="HEAD")  # e.g. an address signed for GET only
    assert stamp_of(shards[0]) == before[0]


@pytest.mark.parametrize("kind", ["server", "plain_server"])
def test_dropped_connections(data, kind, request, caplog):
    server = request.getfixturevalue(kind)
    for after in (0, 1, 300_000, 1_500_000):
        server.drop("shard-000000", after=after)
    assert read(f"{server.url}/train/{NAMES[0]}") == expected(data)
    starts = [int(made[2][6:-1] or 0) for made in server.gets("shard-000000")[1:] if made[2]]
    assert starts == sorted(starts) and starts[-1] >= 300_001
    assert len(server.gets("shard-000000")) == 5
    assert "shard-000000.tar: the connection has dropped" in caplog.text


def test_more_drops_than_attempts_as_long_as_it_goes_on(data, server):
    server.drop("shard-000000", after=100_000, times=remote.ATTEMPTS + 3)
    assert read(f"{server.url}/train/{NAMES[0]}") == expected(data)


def test_a_server_that_stops_sending(data, server, monkeypatch):
    monkeypatch.setattr(remote, "TIMEOUT", (5, 0.2))
    server.stall("shard-000000", after=1000, seconds=2)
    assert read(f"{server.url}/train/{NAMES[0]}") == expected(data)


def test_trouble_that_passes(data, server):
    server.fail("train", 503, times=2)
    shards = list_shards(f"{server.url}/train")
    server.fail("shard", 500, times=3)
    server.fail("shard", 429)
    assert read(shards[0]) == expected(data)


def test_trouble_that_stays(data, server, caplog):
    server.fail("shard", 500, times=99)
    url = f"{server.url}/train/{NAMES[0]}"
    with pytest.raises(RecipeError) as error:
        read(url)
    attempts = remote.ATTEMPTS
    assert str(error.value) == (
        f"{url}: cannot be read, after {attempts} attempts: the server answers 500 Internal "
        "Server Error; check the address and the server, then run the same command again"
    )
    assert len(server.gets("shard")) == attempts
    said = [record for record in caplog.records if record.name == remote.__name__]
    assert len(said) == attempts - 1  # the last one is the error


@pytest.mark.parametrize(
    "status, words", [(401, "a name and a password"), (403, "access is denied"), (404, "nothing")]
)
def test_what_no_attempt_mends_is_tried_once(server, status, words):
    server.fail("shard", status, times=99)
    with pytest.raises(RecipeError, match=rf"shard-000000.tar: .* answers {status} .*{words}"):
        read(f"{server.url}/train/{NAMES[0]}")
    assert len(server.gets()) == 1


def test_no_server_and_no_such_host():
    with HttpServer("/") as server:
        url = server.url
    with pytest.raises(RecipeError, match=r"shard-0.tar: cannot be read, after .* refused"):
        read(f"{url}/shard-0.tar")
    with pytest.raises(RecipeError, match=r"http://nowhere.invalid/train: cannot be read, after"):
        list_shards("http://nowhere.invalid/train")


def test_a_file_that_changes_while_it_is_read(data, server, plain_server):
    for one in (server, plain_server):
        one.drop("shard-000000", after=100_000)
        with open_shard(f"{one.url}/train/{NAMES[0]}") as file:
            os.utime(data / "train" / NAMES[0])
            with pytest.raises(RecipeError, match="shard-000000.tar: changed while it was read"):
                file.read()


def test_listings_without_shards(data, server):
    with pytest.raises(RecipeError, match=rf"{server.url}: expected shards named shard-\*.tar"):
        list_shards(server.url)
    server.listing = False
    with pytest.raises(RecipeError, match="train/: the server answers 404"):
        list_shards(f"{server.url}/train")


def test_messages_show_no_secrets(server):
    url = server.url.replace("http://", "http://me:secret@") + "/no/shard-0.tar?sign=secret"
    with pytest.raises(RecipeError) as error:
        read(url)
    assert "secret" not in str(error.value) and f"{server.url}/no/shard-0.tar:" in str(error.value)


def test_a_password_from_netrc(data, tmp_path, monkeypatch):
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with HttpServer(data, login="me:secret") as server:
        with pytest.raises(RecipeError, match="answers 401 .*a line in ~/.netrc"):
            list_shards(f"{server.url}/train")
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
        shards = list_shards(f"{server.url}/train")
        assert read(shards[0], stamp=stamp_of(shards[0])) == expected(data)
        with_password = server.url.replace("http://", "http://me:secret@")
        assert read(f"{with_password}/train/{NAMES[1]}") == expected(data, NAMES[1])


@pytest.mark.long
@pytest.mark.parametrize("kind", ["folder", "list"])
def test_s3(data, s3, kind):
    names = "" if kind == "folder" else "/shard-{000000,000001.partial}.tar"
    shards = list_shards(f"{s3}/train{names}")
    assert shards == [f"{s3}/train/{name}" for name in NAMES]
    assert [read(shard) for shard in shards] == [expected(data, name) for name in NAMES]
    before = stamp_of(shards[0])
    assert stamp_of(shards[0]) == before
    content = expected(data)
    (data / "train" / NAMES[0]).write_bytes(b"x" + content[1:])
    assert stamp_of(shards[0]) != before


def test_s3_errors(data, s3, monkeypatch):
    (data / "empty").mkdir()
    (data / "empty/readme").touch()
    with pytest.raises(RecipeError, match=r"s3://data/empty: expected shards named"):
        list_shards(f"{s3}/empty")
    for source in (f"{s3}/nowhere", "s3://nowhere/train"):
        with pytest.raises(RecipeError, match=rf"{source}: there is nothing at this address"):
            list_shards(source)
    with pytest.raises(RecipeError, match=r"shard-9.tar: there is nothing at this address"):
        read(f"{s3}/train/shard-9.tar")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    forget_connections()
    with pytest.raises(RecipeError, match=r"train: access is denied"):
        list_shards(f"{s3}/train")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    forget_connections()
    with pytest.raises(RecipeError, match=r"train: no credentials .*; set AWS_ACCESS_KEY_ID"):
        list_shards(f"{s3}/train")


def test_kinds_of_url_that_are_not_served():
    with pytest.raises(RecipeError, match="Protocol not known: nonsense"):
        list_shards("nonsense://train")


def test_commands(data):
    train = data / "train"
    shards = list_shards(f"pipe:cat {train}/shard-{{000000,000001.partial}}.tar")
    assert shards == [f"pipe:cat {train}/{name}" for name in NAMES]
    assert [read(shard) for shard in shards] == [expected(data, name) for name in NAMES]
    assert read(f"pipe:gzip -c {train}/{NAMES[0]}") == expected(data)
    assert stamp_of(shards[0]) == "" and not can_be_mapped(shards[0])
    with open_shard(shards[0]) as file:  # and not to its end
        assert file.read(10) == expected(data)[:10]
    with pytest.raises(RecipeError, match=r"pipe:.*: the command has failed with exit code 3"):
        read(f"pipe:head -c 2000000 {train}/{NAMES[0]}; exit 3")


def test_cache_is_filled_once(data, server, tmp_path):
    shard, cache = f"{server.url}/train/{NAMES[0]}", tmp_path / "cache"
    server.drop("shard-000000", after=300_000)
    assert read(fetch(shard, cache)) == expected(data)
    made = len(server.gets())
    assert read(fetch(shard, cache)) == expected(data)
    assert len(server.gets()) == made  # but one question whether it has changed
    copies = plan_copies([shard], cache, unpacked=False)
    asked = len(server.requests)
    copies.complete()
    assert len(server.requests) == asked


def test_cache_of_a_shard_that_has_changed(data, server, tmp_path):
    shard, cache = f"{server.url}/train/{NAMES[0]}", tmp_path / "cache"
    old = plan_copies([shard], cache, unpacked=False)
    fetch(shard, cache)
    shutil.copy(data / "train" / NAMES[1], data / "train" / NAMES[0])
    assert read(fetch(shard, cache)) == expected(data, NAMES[1])
    assert len([path for path in cache.iterdir() if path.suffix == ".tar"]) == 1
    with pytest.raises(RecipeError, match="shard-000000.tar: changed while it was read"):
        old.complete()


def test_cache_of_s3_and_of_a_command(data, s3, tmp_path):
    runs = tmp_path / "runs"
    command = f"pipe:echo >> {runs}; cat {data}/train/{NAMES[0]}"
    for name, shard in (("s3", f"{s3}/train/{NAMES[0]}"), ("pipe", command)):
        for _ in range(2):
            assert read(fetch(shard, tmp_path / name)) == expected(data)
        assert len(list((tmp_path / name).glob("shard-*"))) == 1
    assert runs.read_text() == "\n"  # the output of a command is kept


def test_an_interrupted_fetch_leaves_nothing(data, server, tmp_path):
    shard, cache = f"{server.url}/train/{NAMES[0]}", tmp_path / "cache"
    server.drop("shard-000000", after=300_000)
    server.fail("shard-000000", 404, method="GET")
    with pytest.raises(RecipeError, match="404"):
        fetch(shard, cache)
    left = sorted(path.name for path in cache.iterdir())
    assert left == [".shard-000000.tar.json", "shards.json"]
    assert read(fetch(shard, cache)) == expected(data)


def start_fetch(shard, cache):
    process = multiprocessing.get_context("fork").Process(target=fetch, args=(shard, cache))
    process.start()
    return process


def test_two_processes_fetch_once(data, server, tmp_path):
    server.stall("shard-000000", after=300_000, seconds=1)
    shard, cache = f"{server.url}/train/{NAMES[0]}", tmp_path / "cache"
    both = [start_fetch(shard, cache) for _ in range(2)]
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert [made[2][:6] for made in server.gets()] == ["", "bytes="]  # one read, in two parts
    assert read(fetch(shard, cache)) == expected(data)


def test_a_fetch_that_is_killed(data, server, tmp_path):
    server.stall("shard-000000", after=300_000, seconds=60)
    shard, cache = f"{server.url}/train/{NAMES[0]}", tmp_path / "cache"
    process = start_fetch(shard, cache)
    while not (server.gets() and list(cache.glob(".*.partial"))):
        time.sleep(0.01)
    process.kill()
    process.join()
    assert not list(cache.glob("*.tar"))
    assert read(fetch(shard, cache)) == expected(data)
    assert not list(cache.glob(".*.partial"))


@pytest.mark.parametrize("kind", ["local", "http", "s3"])
def test_no_other_version_than_the_one_that_is_meant(data, server, s3, kind):
    shard = {"local": data, "http": server.url, "s3": s3}[kind]
    shard = list_shards(f"{shard}/train")[0]
    meant = stamp_of(shard)
    assert read(shard, stamp=meant) == expected(data)
    with open(data / "train" / NAMES[0], "ab") as file:
        file.write(bytes(512))
    with pytest.raises(RecipeError, match=r"shard-000000.tar: (has )?changed"):
        read(shard, stamp=meant)


def test_copies_can_be_mapped(data, server, tmp_path):
    url = f"{server.url}/train/{NAMES[0]}"
    assert prepare_split(url, "train", tmp_path / "index").shards == [url]
    assert can_be_mapped(fetch(url, tmp_path / "0"))
    pack(data / "train")
    assert not can_be_mapped(fetch(f"{server.url}/train/shard-000000.tar.gz", tmp_path / "1"))
    assert not can_be_mapped(fetch(f"pipe:cat {data}/train/*0.tar.gz", tmp_path / "2"))


def test_a_cache_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RecipeError, match="file: shards cannot be copied there"):
        fetch(f"{server.url}/train/{NAMES[0]}", tmp_path / "file")


def test_the_copy_is_what_was_sent(data, server, tmp_path):
    copy = fetch(f"{server.url}/train/{NAMES[0]}", tmp_path / "cache")
    digests = [hashlib.sha256(path.read_bytes()) for path in (copy, data / "train" / NAMES[0])]
    assert digests[0].digest() == digests[1].digest()

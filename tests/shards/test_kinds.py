"""What a shard is follows from its first bytes: read right, or refused in one line."""

import bz2
import gzip
import io
import lzma
import shutil
import zipfile

import numpy as np
import pytest

from http_server import HttpServer
from local.dataset import BatchLoader, CropOrder, make_crops
from local.errors import RecipeError
from local.shards import index_shards, prepare_split, read_shards, stage_shards
from shard_writing import original_layout, wav_bytes


@pytest.fixture
def data(tmp_path):
    original_layout(tmp_path / "train", counts=(5, 2))
    return tmp_path / "train"


def crops(index):
    order = CropOrder(index, batch_size=7, seed=1)
    loader = BatchLoader(make_crops(order, crop_frames=8000), order)
    (batch,) = loader
    return {name: signal.numpy() for name, signal in zip(batch.ids, batch.signals, strict=True)}


@pytest.mark.parametrize("packed", [[0], [1], [0, 1]])
@pytest.mark.parametrize("mapped", [False, True])
def test_a_packed_archive_that_is_called_tar(data, tmp_path, packed, mapped):
    expected = crops(index_shards(data))
    for number, shard in enumerate(sorted(data.glob("*.tar"))):
        if number in packed:
            shard.write_bytes(gzip.compress(shard.read_bytes(), 1))
    index = prepare_split(data, "train", tmp_path / "run", mapped=mapped)
    assert index.mapped is mapped
    found = crops(index)
    assert len(found) == 7
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    staged = stage_shards(data, tmp_path / "staged")
    assert len(crops(index_shards(staged))) == 7


def test_a_plain_archive_that_is_called_packed(data, tmp_path):
    expected = crops(index_shards(data))
    shard = data / "shard-000000.tar"
    shard.rename(data / "shard-000000.tar.gz")
    index = prepare_split(data, "train", tmp_path / "run")
    assert index.mapped
    found = crops(index)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    assert len(list(read_shards(index.shards))) == 7


def zipped():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.wav", wav_bytes())
    return file.getvalue()


OTHERS = {
    "empty": (b"", "the file is empty"),
    "zip": (zipped(), "the file is packed with zip"),
    "login": (b"\n<!DOCTYPE html><html>sign in</html>" * 40, "such as a login"),
    "short login": (b"\xef\xbb\xbf<html>", "such as a login"),
    "json": (b'{"message": "Not Found"}', "the file is JSON"),
    "bzip2": (bz2.compress(bytes(3000)), "packed with bzip2"),
    "xz": (lzma.compress(bytes(3000)), "packed with xz"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\n", "git lfs pull"),
    "audio": (wav_bytes(), "a WAV file"),
    "noise": (np.random.default_rng(0).bytes(5000), "none, by its first bytes"),
    "a few bytes": (b"abc", "truncated or damaged archive"),
    "packed page": (gzip.compress(b"<html>" * 300), "damaged archive|such as a login"),
    "packed nothing": (gzip.compress(b""), "damaged archive|is empty"),
    "half a header": (gzip.compress(bytes(5000))[:5], "truncated or damaged archive"),
}


@pytest.mark.parametrize("ending", [".tar", ".tar.gz"])
@pytest.mark.parametrize("content, message", OTHERS.values(), ids=OTHERS.keys())
def test_what_is_no_archive(data, tmp_path, content, message, ending):
    shard = (data / "shard-000000.tar").rename(data / f"shard-000000{ending}")
    shard.write_bytes(content)
    for mapped in (False, True):
        with pytest.raises(RecipeError, match=message) as error:
            prepare_split(data, "train", tmp_path / f"run-{mapped}", mapped=mapped)
        assert shard.name in str(error.value)
    with HttpServer(tmp_path) as server:
        url = f"{server.url}/train"
        for options in ({}, {"shard_cache": str(tmp_path / "cache")}):
            with pytest.raises(RecipeError, match=message):
                prepare_split(url, "train", tmp_path / "run-http", **options)
            shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    with pytest.raises(RecipeError, match=message):
        prepare_split(f"pipe:cat {data}/shard-{{000000{ending},000001.partial.tar}}", "train", data)


@pytest.mark.parametrize("name", ["shard-000000.tar", "shard-000000.tar.gz", "shard-000000.tgz"])
@pytest.mark.parametrize("times", [2, 3])
def test_an_archive_that_is_packed_twice(data, tmp_path, name, times):
    """It was called truncated, and copying it again helps nobody."""
    content = (data / "shard-000000.tar").read_bytes()
    for _ in range(times):
        content = gzip.compress(content, 1)
    (data / "shard-000000.tar").unlink()
    (data / name).write_bytes(content)
    for work in (
        lambda: index_shards(data),
        lambda: stage_shards(data, tmp_path / "staged"),
        lambda: list(read_shards([data / name])),
    ):
        with pytest.raises(RecipeError, match=f"{name}: packed with gzip twice: unpack it once"):
            work()

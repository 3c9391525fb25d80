"""Training from shards elsewhere ends with the weights of training from a local folder."""

import gzip

import pytest
import torch

from http_server import HttpServer
from running import train
from s3_server import environment, serve_s3

pytestmark = pytest.mark.long

SPLITS = ("train", "val", "dev")


def weights(run):
    network = torch.load(run / "inference/embedding_model.ckpt", weights_only=True)
    return {key: value.numpy().tobytes() for key, value in network.items()}


def sources(root, names=""):
    return [word for s in SPLITS for word in (f"--{s}_shards", f"{root}/{s}{names}")]


@pytest.fixture(scope="module")
def packed(small, tmp_path_factory):
    """The shards of the small corpus, packed with gzip: they are streamed wherever they lie."""
    folder = tmp_path_factory.mktemp("packed") / "bucket"
    for split in SPLITS:
        (folder / split).mkdir(parents=True)
        for shard in (small.shards / split).glob("shard-*.tar"):
            content = gzip.compress(shard.read_bytes(), 1)
            (folder / split / f"{shard.name}.gz").write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def streamed(small, packed, once):
    """The weights of training on packed shards in a local folder."""
    return weights(once("streamed", lambda at: train(small, at / "run", *sources(packed))) / "run")


def test_packed_shards_over_http(small, packed, streamed, tmp_path):
    with HttpServer(packed) as server:
        server.drop("train/shard", after=100_000, times=2)
        run = train(small, tmp_path / "run", *sources(server.url), "--num_workers", "2")
        assert weights(run) == streamed
        options = (*sources(server.url, "/shard-000000.tar.gz"), "--shard_cache", "")
        made = len(server.gets("train/shard"))
        assert weights(train(small, tmp_path / "uncached", *options)) == streamed
        assert len(server.gets("train/shard")) == made + 1 + 2  # for the index, and in each epoch


def test_plain_shards_over_http_are_as_good_as_local_ones(small, trained, tmp_path):
    local = weights(trained)
    with HttpServer(small.shards) as server:
        options = (*sources(server.url), "--shard_cache", str(tmp_path / "cache"))
        assert weights(train(small, tmp_path / "run", *options)) == local
        made = len(server.gets("shard-"))
        assert weights(train(small, tmp_path / "again", *options)) == local
        assert len(server.gets("shard-")) == made == 3


def test_packed_shards_from_s3(small, packed, streamed, tmp_path, monkeypatch):
    with serve_s3(packed.parent) as endpoint:
        for name, value in environment(endpoint).items():
            monkeypatch.setenv(name, value)
        import s3fs

        s3fs.S3FileSystem.clear_instance_cache()
        run = train(small, tmp_path / "run", *sources("s3://bucket"), "--num_workers", "2")
    assert weights(run) == streamed


def test_staged_shards_are_as_good_as_local_ones(small, trained, packed, tmp_path):
    local = weights(trained)
    with HttpServer(packed) as server:
        options = [*sources(server.url), "--stage_shards_to", str(tmp_path / "scratch")]
        assert weights(train(small, tmp_path / "run", *options)) == local
        made = len(server.gets("shard-"))
        assert weights(train(small, tmp_path / "again", *options)) == local
        assert len(server.gets("shard-")) == made  # the second run found them on the disk


def test_a_run_keeps_to_its_order(small, packed, tmp_path, capsys):
    train(small, tmp_path / "run", *sources(packed), "--epochs", "1")
    with pytest.raises(SystemExit):  # mapped, they would come in another one
        train(
            small, tmp_path / "run", *sources(packed), "--stage_shards_to", str(tmp_path / "fast")
        )
    assert "holds a run with train_content: 18 utterances" in capsys.readouterr().err

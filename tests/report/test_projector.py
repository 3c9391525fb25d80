"""Embeddings for TensorBoard's projector."""

from types import SimpleNamespace

import numpy as np
import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin
from werkzeug.test import Client

from local.report import export_projector
from local.report.__main__ import main
from report_making import own_run


@pytest.fixture
def own(tmp_path):
    return own_run(tmp_path / "own")


def serve(folder):
    """What TensorBoard's own backend serves of a log folder to the projector's page."""
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(folder))
    plugin = ProjectorPlugin(TBContext(logdir=str(folder), data_provider=provider))
    apps = plugin.get_plugin_apps()

    def get(route, **query):
        answer = Client(apps[route]).get("/", query_string=query)
        assert answer.status_code == 200, answer.text
        return answer

    return get


@pytest.mark.long
def test_tensorboard_serves_the_embeddings(own, capfd):
    folder = own.run / "tensorboard" / "projector"
    for _ in range(2):  # again: nothing piles up
        main([str(own.run)])
    assert "warn" not in capfd.readouterr().err.lower()
    assert len(list(folder.glob("events*"))) == 1
    get = serve(folder.parent)
    assert get("/runs").json == ["projector"]
    embeddings = get("/info", run="projector").json["embeddings"]
    assert [entry["tensorName"] for entry in embeddings] == ["embeddings:00000"]
    name = embeddings[0]["tensorName"]
    with np.load(own.run / "embeddings/dev.npz") as arrays:
        ids, vectors = arrays["ids"].tolist(), arrays["vectors"]
    served = np.frombuffer(get("/tensor", run="projector", name=name).data, dtype=np.float32)
    np.testing.assert_allclose(served.reshape(vectors.shape), vectors, rtol=1e-5)
    table = get("/metadata", run="projector", name=name).text
    rows = [line.split("\t") for line in table.splitlines()]
    assert rows == [["id", "speaker"], *([id, id.split("/")[0]] for id in ids)]


def test_projector_takes_a_seeded_sample(tmp_path):
    ids = [f"s{number % 7}/v/{number}" for number in range(6000)]
    vectors = np.arange(12_000, dtype=np.float32).reshape(6000, 2)
    embeddings = SimpleNamespace(ids=ids, vectors=vectors)
    for name in ("a", "b"):
        assert export_projector(embeddings, tmp_path / name) == 5000
    first, second = ((tmp_path / name).rglob("metadata.tsv") for name in ("a", "b"))
    text = next(first).read_text()
    assert text == next(second).read_text()
    rows = [line.split("\t")[0] for line in text.splitlines()[1:]]
    tensors = np.loadtxt(next((tmp_path / "a").rglob("tensors.tsv")))
    assert [ids.index(row) for row in rows[::500]] == (tensors[::500, 0] / 2).astype(int).tolist()

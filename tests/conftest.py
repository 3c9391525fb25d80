"""A small corpus of artificial voices and its shards, made once for all tests."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

# Before torch is imported, for this process and those it starts: networks as small as the tests'
# gain nothing from threads, which on a busy machine wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest

from local.corpora.synthetic import prepare_synthetic
from local.shards import write_shards

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "recipes" / "TinyVoxCeleb"
SHARED_DATA = ROOT.parent / "shared" / "data"


def make_data(folder, **speakers):
    """A corpus of artificial voices in the tiny-voxceleb layout as `corpus`, and its `shards`."""
    corpus, shards = folder / "corpus", folder / "shards"
    prepare_synthetic(corpus, num_dev_speakers=4, utterances_per_speaker=5, **speakers)
    write_shards(corpus, corpus / "tiny_meta.csv", shards)
    return SimpleNamespace(corpus=corpus, shards=shards)


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """6 training and 4 dev speakers: `corpus` in the tiny-voxceleb layout, and its `shards`."""
    return make_data(tmp_path_factory.mktemp("small"), seed=1, num_train_speakers=6)


@pytest.fixture(scope="session")
def decided_run(small, tmp_path_factory):
    """A run whose network has a threshold, and knows the people of its training well."""
    from running import train, verify  # which needs this file

    run, trials = tmp_path_factory.mktemp("decided_run"), small.corpus / "val_trials.txt"
    train(small, run, "--epochs", "30", "--crops_per_utterance", "8")
    options = ("--calibration_trials", str(trials))
    verify(run, [small.shards / "val"], [trials], run / "scores.txt", *options)
    return run


@pytest.fixture
def own_shards(small, tmp_path):
    """A copy of the shards that a test may spoil."""
    return Path(shutil.copytree(small.shards, tmp_path / "own_shards"))


def shared(name):
    """Real speech that lies beside the checkout on some machines; tests on it skip elsewhere."""
    folder = SHARED_DATA / name
    return pytest.param(
        folder,
        marks=pytest.mark.skipif(not folder.is_dir(), reason=f"no {name} beside this checkout"),
        id=name,
    )


def pytest_collection_modifyitems(items):
    """The long tests first, so that no process is left with one of them at the end."""
    first = ("slurm", "readme", "sweep", "benchmarks", "run_sh", "processes", "resume")
    places = {f"test_{name}.py": place for place, name in enumerate(first)}
    items.sort(key=lambda item: places.get(item.path.name, len(first)))

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
from local.files import exclusive
from local.shards import write_shards
from warm_python import describe_environment_once, warm_environment

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "recipes" / "TinyVoxCeleb"
SHARED_DATA = ROOT.parent / "shared" / "data"

describe_environment_once()
warm_environment()  # of all processes that this one starts


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """`once(name, make)`: a folder that `make` fills, for all processes of the tests together.

    No test may alter what is in it.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # whose own folder that is
        base = base.parent

    def once(name, make):
        folder, done = base / f"once-{name}", base / f"once-{name}.done"
        with exclusive(base / f"once-{name}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                make(folder)
                done.touch()
        return folder

    return once


def make_data(folder, **speakers):
    """A corpus of artificial voices in the tiny-voxceleb layout as `corpus`, and its `shards`."""
    data = data_in(folder)
    prepare_synthetic(data.corpus, num_dev_speakers=4, utterances_per_speaker=5, **speakers)
    write_shards(data.corpus, data.corpus / "tiny_meta.csv", data.shards)
    return data


def data_in(folder):
    return SimpleNamespace(corpus=folder / "corpus", shards=folder / "shards")


@pytest.fixture(scope="session")
def small(once):
    """6 training and 4 dev speakers: `corpus` in the tiny-voxceleb layout, and its `shards`."""
    return data_in(once("small", lambda at: make_data(at, seed=1, num_train_speakers=6)))


@pytest.fixture(scope="session")
def trained(small, once):
    """What the quickest training of the tests leaves: the prototype's run of two epochs."""
    from running import train  # which needs this file

    return once("trained", lambda at: train(small, at / "run")) / "run"


@pytest.fixture(scope="module")
def run(trained, tmp_path_factory):
    """A copy of `trained` for a module, to which verifications may add."""
    return Path(shutil.copytree(trained, tmp_path_factory.mktemp("run") / "run"))


@pytest.fixture(scope="session")
def decided_run(small, once):
    """A run whose network has a threshold, and knows the people of its training well."""
    from running import train, verify  # which needs this file

    def decide(folder):
        run, trials = folder / "run", small.corpus / "val_trials.txt"
        train(small, run, "--epochs", "5", "--crops_per_utterance", "8")
        options = ("--calibration_trials", str(trials))
        verify(run, [small.shards / "val"], [trials], run / "scores.txt", *options)

    return once("decided", decide) / "run"


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

"""A damaged decision.json: refused in one line, or decisions that are numbers."""

import json
import shutil

import numpy as np
import pytest
from speechbrain.utils.superpowers import import_from_path

from damaging import JSONS, thrown, watched
from local.bundle.writing import VERIFIER, write_decision
from local.scoring.backends import Backend
from local.scoring.calibration import fit_calibration
from local.scoring.decisions import Calibration

COSTS = {"p_target": 0.2, "c_miss": 1.0, "c_fa": 2.0}
VECTORS = np.random.default_rng(0).normal(size=(3, 16))
CALIBRATIONS = {
    "plain decision": Calibration([2.0], -1.5),
    "decision with measures": Calibration(
        [2.0, 0.1, 0.2, 0.3, 0.4], -1.5, low=[1.0] * 4, high=[9.0] * 4
    ),
}


@pytest.fixture
def bundle(tmp_path):
    """The files of a bundle that decide, without a network; and the module that reads them."""
    (tmp_path / "hyperparams.yaml").touch()
    for path in VERIFIER:
        shutil.copy(path, tmp_path)
    return tmp_path, import_from_path(tmp_path / "speaker_verifier.py")


def decide(folder, calibration):
    backend = Backend("mean_subtracted", mean=np.zeros(16))
    write_decision(folder, backend, calibration, threshold=0.5, fitted_on={"trials": []}, **COSTS)
    return folder / "decision.json"


@thrown(JSONS, *CALIBRATIONS)
def test_damaged_decisions(bundle, rounds):
    folder, verifier = bundle
    path = decide(folder, CALIBRATIONS[rounds.kind])
    whole = path.read_bytes()
    for rng in rounds:
        path.write_bytes(rounds.damage(rng, whole))
        with watched(path, (ValueError, FileNotFoundError)) as errors:
            backend, calibration, threshold = verifier.read_decision(folder)
        if not errors:
            assert type(threshold) in (int, float) and np.isfinite(threshold)
            scores = backend.score(VECTORS, np.array([0, 1]), np.array([1, 2]))
            quality = np.ones((2, 4)) if calibration.low else None
            assert np.isfinite(calibration(scores, quality)).all()


WRONG = [
    *({"threshold": value} for value in (True, None, "0.5", [0.5], float("nan"), 10**400)),
    *({"weights": value} for value in ([], [True], ["2"], "2", {}, [2.0, 3.0], [float("nan")])),
    *({"offset": value} for value in (None, "0", float("-inf"), [1])),
    *({"prior": value} for value in (0, 1, -0.5, 2.0, None, True)),
    *({"low": value} for value in ([1.0], "abcd", [1.0] * 4, None)),
    {"weights": [1.0] * 5, "low": [9.0] * 4, "high": [1.0] * 4},
    {"weights": [1.0] * 3, "low": [1.0] * 2, "high": [9.0] * 2},
    *({"backend": value} for value in ("", ".", "..", "a/b", "\0", "x" * 300, None, 7, ["a"])),
    {"bias": 1.0},
]
# Without a checksum, as former versions wrote them, these decided.
BEYOND = [
    *({"weights": [value]} for value in (1e30, -1e30, 1e10, 10**20)),
    *({"offset": value} for value in (1e30, -1e12, 40_000.0)),
    {"weights": [2.0, 0.1, 1e15, 0.3, 0.4], "low": [1.0] * 4, "high": [9.0] * 4},
    *({"weights": [2.0] * 5, "low": [low] * 4, "high": [9.0] * 4} for low in (-1e30, -711.0)),
    {"weights": [2.0] * 5, "low": [1.0] * 4, "high": [1.0, 9.0, 9.0, 1e3]},
    *({"threshold": value} for value in (1e30, -1e30, 2301)),
]


@pytest.mark.parametrize("wrong", WRONG + BEYOND, ids=lambda wrong: str(wrong)[:40])
def test_wrong_values(bundle, wrong):
    folder, verifier = bundle
    path = decide(folder, CALIBRATIONS["plain decision"])
    values = json.loads(path.read_bytes())
    top = {key: value for key, value in wrong.items() if key in values}
    values["calibration"] |= {key: value for key, value in wrong.items() if key not in top}
    if wrong in BEYOND:
        del values["checksum"]
    path.write_text(json.dumps(values | top))
    with watched(path, ValueError) as errors:
        verifier.read_decision(folder)
    assert len(errors) == 1 and "damaged" in str(errors[0])
    if wrong in BEYOND:
        assert "as no fit gives" in str(errors[0]) and any(key in str(errors[0]) for key in wrong)


@pytest.mark.parametrize("spread", [1e-6, 1e-3, 1.0, 1e3])
@pytest.mark.parametrize("prior", [1e-9, 0.5])
def test_what_fits_give_is_read(bundle, spread, prior):
    """Targets and non-targets that nothing mixes have the largest weights."""
    folder, verifier = bundle
    labels = np.arange(60) % 2
    scores = 0.99 + spread * (labels + 0.01 * np.random.default_rng(0).normal(size=60))
    calibration = fit_calibration(scores, labels, prior=prior)
    decide(folder, calibration)
    assert verifier.read_decision(folder)[1].weights == calibration.weights

"""A bundle of which a file is damaged neither embeds nor decides; wrong questions get no answer."""

import json
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from speechbrain.inference.interfaces import foreign_class

from local.bundle import load_encoder
from local.bundle.writing import write_decision
from local.errors import RecipeError
from local.scoring.backends import Backend
from local.scoring.decisions import Calibration
from local.training.checksums import CHECKSUMS

COSTS = {"p_target": 0.5, "c_miss": 1.0, "c_fa": 1.0}
INTERFACES = [("speaker_encoder.py", "SpeakerEncoder"), ("speaker_verifier.py", "SpeakerVerifier")]


@pytest.fixture(scope="module")
def decided(run):
    folder = run / "inference"
    decide(folder)
    return folder


@pytest.fixture
def bundle(decided, tmp_path):
    return shutil.copytree(decided, tmp_path / "copied")


def decide(folder):
    calibration = Calibration([10.0], -5.0)
    write_decision(folder, Backend("cosine"), calibration, threshold=0.0, fitted_on={}, **COSTS)


def load(folder, file="speaker_verifier.py", name="SpeakerVerifier"):
    options = {"pymodule_file": file, "classname": name, "run_opts": {"device": "cpu"}}
    return foreign_class(source=str(folder), **options)


def zeroed(content):
    middle = len(content) // 2
    return (
        content[:middle]
        + bytes(min(2000, middle // 2))
        + content[middle + min(2000, middle // 2) :]
    )


def flipped(content):
    place = len(content) // 2
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def cut(content):
    return content[: 2 * len(content) // 3]


def emptied(content):
    return b""


@pytest.mark.parametrize("former", [False, True], ids=["", "without checksums"])
@pytest.mark.parametrize("damage", [zeroed, flipped, cut, emptied])
@pytest.mark.parametrize("name", ["embedding_model", "classifier", "label_encoder"])
def test_damaged_weights_do_not_decide(bundle, name, damage, former):
    if former:
        (bundle / CHECKSUMS).unlink()
        if name == "label_encoder" and damage is not emptied:
            pytest.skip("a text that tells nothing of its content")
    path = bundle / f"{name}.ckpt"
    path.write_bytes(damage(path.read_bytes()))
    for interface in INTERFACES:
        with pytest.raises(ValueError, match=f"{name}.ckpt: damaged"):
            load(bundle, *interface)
    with pytest.raises(RecipeError, match=f"{name}.ckpt: empty or damaged"):
        load_encoder(bundle)


@pytest.mark.parametrize("content", [b"", b"[", b"[]", b"\0" * 100, b'{"embedding_model.ckpt": 1}'])
def test_checksums_that_are_damaged_themselves(bundle, content):
    (bundle / CHECKSUMS).write_bytes(content)
    with pytest.raises(ValueError, match=".(ckpt|json): damaged"):
        load(bundle)


@pytest.mark.parametrize(
    "change",
    [
        lambda decision: decision["calibration"].update(offset=5.0),
        lambda decision: decision["calibration"].update(weights=[970.76]),
        lambda decision: decision["calibration"].update(weights=[-10.0]),
        lambda decision: decision.update(threshold=-50),
        lambda decision: decision.update(checksum=None),
    ],
)
def test_a_decision_that_was_changed_does_not_decide(bundle, change):
    load(bundle)
    decision = json.loads((bundle / "decision.json").read_text())
    change(decision)
    (bundle / "decision.json").write_text(json.dumps(decision))
    with pytest.raises(ValueError, match="decision.json: damaged .*fit it anew"):
        load(bundle)
    decide(bundle)
    load(bundle)


def test_no_ratio_is_beyond_what_its_numbers_can_tell(bundle):
    verifier = load(bundle)
    verifier.calibration = Calibration([1e90], 0.0)
    embedded = SimpleNamespace(vectors=np.eye(2) + 1, num_frames=np.array([16000, 16000]))
    verifier.embed_signals = lambda *_: embedded
    with pytest.raises(ValueError, match="not finite: decision.json is damaged"):
        verifier.verify_batch(torch.zeros(16000), torch.zeros(16000))


@pytest.mark.parametrize("threshold", [float("nan"), float("inf")])
def test_a_threshold_that_is_none(bundle, threshold):
    with pytest.raises(ValueError, match="threshold is (nan|inf): expected a number"):
        load(bundle).verify_batch(torch.zeros(9), torch.zeros(9), threshold=threshold)


@pytest.mark.parametrize(
    "wavs1, wavs2, lengths, message",
    [
        ((1, 1, 45000), (1, 45000), None, r"found \(1, 1, 45000\), expected a tensor \(batch"),
        ((45000, 2), (1, 45000), None, r"found \(45000, 2\), expected \(batch, time\)"),
        ((2, 900), (3, 900), None, "found 2 and 3 waveforms: expected as many, or 1"),
        ((2, 900), (2, 900), [1.0], "found .*, expected 2 above 0"),
        ((2, 900), (2, 900), [1.0, 2.0], "found .*, expected 2 above 0, at most 1"),
        ((2, 900), (2, 900), [1.0, float("nan")], "found .*, expected 2 above 0, at most 1"),
        (None, (2, 900), None, "found a list, expected a tensor"),
    ],
)
def test_batches_of_another_shape_are_refused_before_they_take_memory(
    bundle, wavs1, wavs2, lengths, message
):
    first = [0.0] if wavs1 is None else torch.zeros(wavs1)
    lengths = None if lengths is None else torch.tensor(lengths)
    with pytest.raises(ValueError, match=message):
        load(bundle).verify_batch(first, torch.zeros(wavs2), lengths)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_only_be_read_is_named_by_mode(bundle):
    (bundle / "decision.json").unlink()
    bundle.chmod(0o555)
    with pytest.raises(RecipeError, match="make it writable, or give --update_verifier False"):
        decide(bundle)


def test_a_disk_that_can_only_be_read_is_named(bundle, monkeypatch):
    (bundle / "decision.json").unlink()

    def refuse(*_, **__):
        raise OSError(30, os.strerror(30), str(bundle / ".decision.lock"))

    monkeypatch.setattr("local.bundle.writing.exclusive", refuse)
    with pytest.raises(RecipeError, match="Read-only file system.*--update_verifier False"):
        decide(bundle)

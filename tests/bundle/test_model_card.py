"""The model card: what it tells, what it does not know, and a network shared as a folder."""

import pickle
import re
import shutil

import pytest
import torch
from huggingface_hub import ModelCard
from speechbrain.inference.classifiers import EncoderClassifier
from speechbrain.inference.interfaces import foreign_class

from conftest import ROOT
from embedding_runs import make_run
from local.bundle import checkpoint_digest, load_encoder
from local.bundle.model_card import OWN, make_card
from local.bundle.writing import leave_result, write_decision
from local.scoring.backends import Backend
from local.scoring.calibration import Calibration

COSTS = {"p_target": 0.2, "c_miss": 1.0, "c_fa": 2.0}
RESULT = (
    "best epoch 3, dev trials (unseen speakers): EER 3.95% (convex hull{}), 4.04% "
    "(interpolated); 548 target and 9452 non-target trials of 35 speakers"
)


@pytest.fixture
def own(trained, tmp_path):
    """A copy of the run that a test may change."""
    return shutil.copytree(trained, tmp_path / "own")


def decide(bundle):
    fitted_on = {"list": "/home/me/dev_trials.txt", "trials": {"target": 30, "nontarget": 1200}}
    calibration = Calibration([9.0], -4.0)
    write_decision(
        bundle, Backend("cosine"), calibration, threshold=2.079, fitted_on=fitted_on, **COSTS
    )


def text(bundle):
    return (bundle / "README.md").read_text()


def test_training_leaves_a_card_with_its_result(trained):
    card = text(trained / "inference")
    result = (trained / "dev_eer.txt").read_text().strip()
    (metric,) = ModelCard(card).data.eval_results
    eer = re.search(r"EER ([\d.]+)%", result)[1]
    assert (metric.metric_type, metric.metric_value) == ("eer", float(eer))
    assert metric.task_type == ModelCard(card).data.pipeline_tag == "audio-classification"
    assert ModelCard(card).data.library_name == "speechbrain"
    assert ModelCard(card).data.license == "unknown" and card.count("| unknown: ") == 3
    for words in (result, "6 speakers, 18 utterances", "prototype.Prototype", "No threshold"):
        assert words in card
    assert str(trained.parent) not in card  # nothing of the machine


def test_the_size_is_that_of_the_embeddings(tmp_path):
    """Also where a network puts views together, of which hparams tell the size of one."""
    bundle = make_run(tmp_path / "run") / "inference"
    saved = bundle / "mean_var_norm_emb.ckpt"
    torch.save({"count": 3, "glob_mean": torch.zeros(40), "glob_std": torch.ones(40)}, saved)
    assert "vector of 40 numbers" in make_card(bundle)["README.md"].decode()
    saved.write_bytes(b"damaged")
    assert make_card(bundle)


@pytest.mark.parametrize(
    "interval, args",
    [
        (", 95 % interval 2.09% to 6.86%", {"low": 2.09, "high": 6.86, "confidence": 0.95}),
        (", too little for an interval", None),
    ],
)
def test_the_interval_goes_into_the_head(own, interval, args):
    leave_result(own, RESULT.format(interval))
    (metric,) = ModelCard(text(own / "inference")).data.eval_results
    assert metric.metric_value == 3.95 and metric.metric_args == args
    assert metric.dataset_name == "dev trials (unseen speakers)"


def test_a_decision_is_told_and_the_network_is_the_same(own):
    bundle = own / "inference"
    before, result = checkpoint_digest(bundle), (own / "dev_eer.txt").read_text().strip()
    decide(bundle)
    card = text(bundle)
    assert checkpoint_digest(bundle) == before
    assert "on 30 target trials and 1,200 nontarget trials" in card and result in card
    assert "ratio of 2.079 on" in card and "/home/me" not in card
    (own / "dev_eer.txt").unlink()  # the bundle alone, as it is shared: its card knows the result
    decide(bundle)
    assert text(bundle) == card


def test_what_a_person_has_written_stays(own):
    words = text(own / "inference").replace(OWN, "").replace("license: unknown", "license: mit")
    (own / "inference/README.md").write_text(words)
    leave_result(own, RESULT.format(""))
    decide(own / "inference")
    assert text(own / "inference") == words


def test_a_bundle_of_a_former_version_loads_and_decides(own):
    bundle = own / "inference"
    before = checkpoint_digest(bundle)
    for name in ("README.md", "experiment.yaml"):
        (bundle / name).unlink()
    decide(bundle)
    assert make_card(bundle) == {} and checkpoint_digest(bundle) == before
    load_encoder(bundle, "cpu")


def blocks(path):
    """The Python blocks of a Markdown file."""
    return re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL)


@pytest.fixture
def shared(own, small, tmp_path, monkeypatch):
    """A bundle as the Hub gives it, its run gone, and two recordings beside."""
    decide(own / "inference")
    folder = shutil.copytree(own / "inference", tmp_path / "hub" / "snapshot")
    shutil.rmtree(own)
    one, other = sorted((small.corpus / "dev").rglob("*.wav"))[:2]
    shutil.copy(one, tmp_path / "one.wav")
    shutil.copy(other, tmp_path / "other.m4a")  # FFmpeg goes by the content
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name: str(folder))
    return folder


def test_what_the_card_says_loads_it(shared):
    (code,) = blocks(shared / "README.md")
    names = {}
    exec(code, names)
    assert names["verifier"].threshold == 2.079
    assert 0 <= names["probability"] <= 1 and bool(names["same"]) == (names["score"] >= 2.079)


def test_what_the_documentation_says_loads_it(shared):
    names = {}
    for code in blocks(ROOT / "docs/share.md"):
        exec(code, names)
    signal = torch.randn(1, 16000, generator=torch.Generator().manual_seed(0))
    expected = load_encoder(shared, "cpu").encode_batch(signal)
    assert torch.equal(names["encoder"].encode_batch(signal), expected)


def test_fetched_into_another_folder(shared, tmp_path):
    """By SpeechBrain's fetch, which links what it needs into `savedir`."""
    options = {"source": str(shared), "overrides": {"pretrained_path": str(shared)}}
    encoder = EncoderClassifier.from_hparams(**options, savedir=tmp_path / "encoder")
    verifier = foreign_class(
        **options,
        savedir=tmp_path / "verifier",
        pymodule_file="speaker_verifier.py",
        classname="SpeakerVerifier",
    )
    signal = torch.randn(1, 16000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(encoder.encode_batch(signal), verifier.encode_batch(signal))
    assert (tmp_path / "verifier/embedding_model.ckpt").is_symlink()
    assert verifier.verify_files("one.wav", "one.wav")[2]


class Code:
    def __reduce__(self):
        return print, ("executed",)


def test_no_pickle_of_the_weights_is_run(tmp_path, capsys):
    bundle = make_run(tmp_path / "run") / "inference"
    for path in bundle.glob("*.ckpt"):
        if path.stem != "label_encoder":  # a text
            torch.load(path, weights_only=True)
    torch.save({"evil": Code()}, bundle / "embedding_model.ckpt")
    options = {"source": str(bundle), "overrides": {"pretrained_path": str(bundle)}}
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        EncoderClassifier.from_hparams(**options)
    assert "executed" not in capsys.readouterr().out

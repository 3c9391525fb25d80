"""The recommended recipe: augmentation, other voices, pairs and averages in one training."""

import re
from pathlib import Path

import pytest
import speechbrain as sb
import torch
from speechbrain.inference import EncoderClassifier

from conftest import RECIPE
from local.search.trial import val_eer_of_tested
from local.training.final_network import fit_norm
from running import killed_after, make_brain, one_line, rows, train, verify

pytestmark = pytest.mark.long

NAMES = ("best", "best_full", "speechbrain_voxceleb", "fine_tuning")
BEST, FULL, SPEECHBRAIN, FINE_TUNING = (str(RECIPE / f"hparams/{name}.yaml") for name in NAMES)
TINY = (
    *("--base_channels", "4", "--blocks", "[1,1,1,1]", "--embedding_size", "16", "--rooms", "3"),
    *("--audio_length_num_frames", "12000", "--crops_per_utterance", "2", "--average_checkpoints"),
    *("2", "--stem_stride", "2"),
)


def same_network(run, other):
    first, second = (
        torch.load(folder / "inference/embedding_model.ckpt") for folder in (run, other)
    )
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("hparams, precision", [(BEST, "fp32"), (FULL, "bf16")])
def test_voices_are_speakers_and_the_network_loads(small, tmp_path, hparams, precision):
    options = ("--steps", "0", "--precision", precision)  # as many as crops and epochs make
    run = train(small, tmp_path / "run", *TINY, *options, hparams=hparams)
    encoder = EncoderClassifier.from_hparams(source=str(run / "inference"))
    labels = encoder.hparams.label_encoder.lab2ind
    assert len(labels) == 42 and sum(label.endswith("warped by 0.85") for label in labels) == 6
    *_, label = encoder.classify_batch(torch.randn(1, 16000))
    assert label[0] in labels and "warped" not in label[0]  # a speaker, by all voices
    assert encoder.encode_batch(torch.randn(2, 16000)).shape == (2, 1, 7 * 16)


@pytest.mark.parametrize("here", ["fp32", "bf16"])
def test_a_run_keeps_to_the_precision_of_its_machine(small, tmp_path, monkeypatch, capsys, here):
    monkeypatch.setattr("local.processes.fast_precision", lambda: here)
    there = {"fp32": "bf16", "bf16": "fp32"}[here]
    run = train(small, tmp_path / "run", *TINY, hparams=BEST)
    assert f"precision: {here}\n" in (run / "experiment.yaml").read_text()
    assert f"training precision: `--precision={here}`" in (run / "log.txt").read_text()
    monkeypatch.setattr("local.processes.fast_precision", lambda: there)
    line = one_line(capsys, train, small, run, *TINY, hparams=BEST)
    assert f"holds a run with precision: {here}, now it is {there}" in line
    train(small, run, *TINY, "--precision", here, hparams=BEST)  # as it began
    assert "this run is complete" in capsys.readouterr().out


def test_an_unknown_precision_in_a_file(small, tmp_path, capsys):
    hparams = tmp_path / "own.yaml"
    hparams.write_text(f"base: {BEST}\nprecision: fp8\n")
    line = one_line(capsys, train, small, tmp_path / "run", hparams=str(hparams))
    assert "--precision fp8: expected one of fp32, bf16, fp16" in line


def test_val_eer_is_that_of_the_tested_network(small, tmp_path):
    run = train(small, tmp_path / "run", *TINY, hparams=BEST)
    verify(run, [small.shards / "val"], [small.corpus / "val_trials.txt"], tmp_path / "val.txt")
    eer = float(re.search(r"EER (\S+)%", (tmp_path / "val_eer.txt").read_text())[1])
    assert 100 * val_eer_of_tested(run) == pytest.approx(eer, abs=0.01)
    of_tested = f"average of 2 epochs to 2, val trials (known speakers): EER {eer:.2f}%"
    assert of_tested in (run / "log.txt").read_text()


def test_speechbrain_settings(small, tmp_path):
    options = ("--channels", "[8,8,8,8,24]", "--attention_channels", "8", "--embedding_size", "16")
    options += ("--audio_length_num_frames", "16000", "--crops_per_utterance", "1")
    run = train(small, tmp_path / "run", *options, hparams=SPEECHBRAIN)
    # Three triangles in 6 steps: the third step begins one, the sixth is at the top of one.
    assert [float(row["lr"]) for row in rows(run)] == pytest.approx([1e-8, 0.001])
    assert (run / "inference").is_dir()


def test_am_by_one_cycle_to_its_end(small, tmp_path):
    text = Path(BEST).read_text().replace("losses.AdditiveAngularMargin", "losses.AngularMargin")
    cosine = text.index("lr_annealing: "), text.index("margin_schedule: ")
    one_cycle = (
        "!new:local.training.schedules.OneCycle\n  peak: 0.01\n"
        "  num_batches: !ref <data.num_batches>\n\n"
    )
    hparams = tmp_path / "am.yaml"
    hparams.write_text(f"{text[: cosine[0]]}lr_annealing: {one_cycle}{text[cosine[1] :]}")
    accumulated = ("--crops_per_utterance", "4", "--grad_accumulation_factor", "2", "--epochs", "2")
    run = train(small, tmp_path / "run", *TINY, *accumulated, hparams=str(hparams))
    rates = [float(row["lr"]) for row in rows(run)]
    assert rates[0] < 0.01 and rates[1] == pytest.approx(0.01 / 25 / 1e4)
    assert all(float(row["train_loss"]) < 20 for row in rows(run))


def test_the_norm_belongs_to_the_average_of_the_weights(small, tmp_path):
    run = train(small, tmp_path / "run", *TINY, "--ema_decay", "0.9", hparams=BEST)
    saved = torch.load(run / "inference/embedding_model.ckpt")
    brain = make_brain(small, tmp_path / "again", *TINY, hparams=BEST)
    brain.modules.embedding_model.load_state_dict(saved)
    fit_norm(brain, brain.train_set)
    assert saved["fitted"]
    for name in ("mean", "projection"):
        again = brain.modules.embedding_model.state_dict()[name]
        torch.testing.assert_close(again, saved[name], rtol=1e-3, atol=1e-4)


def test_a_margin_goes_on_with_all_voices(small, tmp_path):
    first = train(small, tmp_path / "first", *TINY, hparams=BEST)
    text = Path(BEST).read_text() + (
        "\nstart_from: !PLACEHOLDER\nkept_modules: [compute_features, mean_var_norm, "
        "embedding_model, classifier]\n"
    )
    (tmp_path / "larger.yaml").write_text(text)
    options = ("--start_from", str(first), "--margin", "0.2", "--margin_warmup", "0")
    options += TINY[6:-2]  # what is not about the network
    run = train(small, tmp_path / "run", *options, hparams=str(tmp_path / "larger.yaml"))
    assert (run / "inference").is_dir()


def test_fine_tuning_fits_the_voices_anew(small, tmp_path):
    first = train(small, tmp_path / "first", *TINY, hparams=BEST)
    options = ("--start_from", str(first), "--epochs", "1", "--frozen_epochs", "1")
    options += ("--crops_per_utterance", "2", "--audio_length_num_frames", "12000")
    run = train(small, tmp_path / "run", *options, hparams=FINE_TUNING)
    states = (torch.load(folder / "inference/embedding_model.ckpt") for folder in (first, run))
    before, after = ({key: state[key] for key in ("fitted", "mean")} for state in states)
    assert before["fitted"] and after["fitted"] and not torch.equal(before["mean"], after["mean"])
    encoder = EncoderClassifier.from_hparams(source=str(run / "inference"))
    scores, *_ = encoder.classify_batch(torch.randn(1, 16000))
    assert scores.shape[-1] == 6


def test_only_training_is_augmented(small, tmp_path):
    brain = make_brain(small, tmp_path, *TINY, hparams=BEST)
    brain.train_set.set_epoch(1)
    batch = next(iter(brain.train_set))
    modules, lengths = brain.modules.eval(), torch.ones(len(batch))
    with torch.no_grad():
        features = modules.compute_features(batch.to("cpu").signals)
        plain = modules.embedding_model(modules.mean_var_norm(features, lengths), lengths)
        for stage in sb.Stage:
            embeddings, _, _ = brain.compute_forward(batch, stage)
            assert torch.equal(embeddings, plain) == (stage != sb.Stage.TRAIN)


def test_augmentation_follows_from_the_crop(small, tmp_path):
    """Not from the threads that read, nor from where a training was stopped."""
    whole = train(small, tmp_path / "whole", *TINY, hparams=BEST)
    threads = train(small, tmp_path / "threads", *TINY, "--num_workers", "2", hparams=BEST)
    with killed_after(epoch=2, step=2):
        train(small, tmp_path / "parts", *TINY, "--ckpt_interval_steps", "1", hparams=BEST)
    parts = train(small, tmp_path / "parts", *TINY, hparams=BEST)
    for run in (threads, parts):
        assert rows(run) == rows(whole) and same_network(run, whole)
    plain = train(small, tmp_path / "plain", *TINY, "--noise", "0", hparams=BEST)
    assert not same_network(plain, whole)

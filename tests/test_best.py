"""The recommended recipe: augmentation, speeds, pairs and averages in one training."""

import csv

import pytest
import speechbrain as sb
import torch
from running import make_brain, train
from speechbrain.inference import EncoderClassifier

from conftest import RECIPE
from local.resumable_brain import ResumableBrain

BEST, FULL = (str(RECIPE / f"hparams/{name}.yaml") for name in ("best", "best_full"))
TINY = (
    *("--base_channels", "4", "--blocks", "[1,1,1,1]", "--embedding_size", "16", "--rooms", "3"),
    *("--audio_length_num_frames", "12000", "--crops_per_utterance", "2", "--average_checkpoints"),
    *("2", "--stem_stride", "2"),
)


def rows(run):
    with open(run / "train_log.csv", newline="") as fin:
        return list(csv.DictReader(fin))


def same_network(run, other):
    first, second = (
        torch.load(folder / "inference/embedding_model.ckpt") for folder in (run, other)
    )
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("hparams", [BEST, FULL])
def test_speeds_are_speakers_and_the_network_loads(small, tmp_path, hparams):
    run = train(small, tmp_path / "run", *TINY, hparams=hparams)
    encoder = EncoderClassifier.from_hparams(source=str(run / "inference"))
    labels = encoder.hparams.label_encoder.lab2ind
    assert len(labels) == 18 and sum(label.endswith("at speed 1.1") for label in labels) == 6
    *_, label = encoder.classify_batch(torch.randn(1, 16000))
    assert label[0] in labels
    assert encoder.encode_batch(torch.randn(2, 16000)).shape == (2, 1, 16)


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


def test_augmentation_follows_from_the_crop(small, tmp_path, monkeypatch):
    """Not from the threads that read, nor from where a training was stopped."""
    whole = train(small, tmp_path / "whole", *TINY, hparams=BEST)
    threads = train(small, tmp_path / "threads", *TINY, "--num_workers", "2", hparams=BEST)
    with monkeypatch.context() as patch:

        def save(brain, save=ResumableBrain._save_intra_epoch_ckpt):
            save(brain)
            if (brain.epoch, brain.step) == (2, 2):
                raise SystemExit

        patch.setattr(ResumableBrain, "_save_intra_epoch_ckpt", save)
        with pytest.raises(SystemExit):
            train(small, tmp_path / "parts", *TINY, "--ckpt_interval_steps", "1", hparams=BEST)
    parts = train(small, tmp_path / "parts", *TINY, hparams=BEST)
    for run in (threads, parts):
        assert rows(run) == rows(whole) and same_network(run, whole)
    plain = train(small, tmp_path / "plain", *TINY, "--noise", "0", hparams=BEST)
    assert not same_network(plain, whole)

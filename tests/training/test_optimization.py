"""What a step does to the network, against plain torch; all of it over a stop in between."""

import csv
import re

import numpy as np
import pytest
import speechbrain as sb
import torch

import find_learning_rate
from conftest import RECIPE
from local.bundle.windows import MIN_FRAMES
from local.errors import RecipeError
from local.training.lr_finder import suggest
from plain_prototype import PlainPrototype, random_batches
from running import (
    ECAPA,
    TINY_ECAPA,
    data_options,
    killed_after,
    make_brain,
    other_training,
    rows,
    train,
)

pytestmark = pytest.mark.long


def begin(brain):
    brain.on_stage_start(sb.Stage.TRAIN, epoch=1)
    brain.modules.train()
    brain.bar.close()


@pytest.mark.parametrize("options", [(), ("--remove_vector_weight_decay",)], ids=["", "2 groups"])
def test_gradients_are_clipped_and_counted(small, tmp_path, options):
    limit = 300  # between the norms below
    brain = make_brain(small, tmp_path, "--max_grad_norm", str(limit), *options)
    plain = PlainPrototype(n_speakers=6)
    plain.embedding[0].load_state_dict(brain.modules.embedding_model.convolution.state_dict())
    plain.prediction[0].load_state_dict(brain.modules.classifier.linear.state_dict())
    optimizer = torch.optim.SGD(plain.parameters(), lr=3e-3)
    groups = brain.optimizer.param_groups
    brain.optimizer = torch.optim.SGD([{"params": group["params"]} for group in groups], lr=3e-3)
    begin(brain)
    norms = []
    for batch in random_batches(6):
        brain.fit_batch(batch)
        optimizer.zero_grad()
        torch.nn.functional.nll_loss(plain(batch.signals), batch.classes).backward()
        gradients = [parameter.grad for parameter in plain.parameters()]
        norms.append(sum((gradient**2).sum() for gradient in gradients).sqrt().item())
        for gradient in gradients:
            gradient *= min(1, limit / norms[-1])
        optimizer.step()
    stats = brain.gradient_stats()
    clipped = np.mean([norm > limit for norm in norms])
    assert 0 < clipped < 1, norms
    assert stats == pytest.approx({"grad_norm": np.mean(norms), "clipped": clipped}, rel=1e-4)
    torch.testing.assert_close(
        brain.modules.classifier.linear.weight, plain.prediction[0].weight, rtol=1e-4, atol=1e-6
    )


def test_biases_and_normalisation_need_not_decay(small, tmp_path):
    options = (*TINY_ECAPA, "--remove_vector_weight_decay", "--weight_decay", "0.1")
    brain = make_brain(small, tmp_path, *options, hparams=ECAPA)
    decays = {
        parameter: group["weight_decay"]
        for group in brain.optimizer.param_groups
        for parameter in group["params"]
    }
    for name, parameter in brain.modules.named_parameters():
        single = name.endswith("bias") or ".norm." in name
        assert decays.pop(parameter) == (0.0 if single else 0.1), name
    assert not decays


def test_the_average_of_weights_is_evaluated(small, tmp_path):
    brain = make_brain(small, tmp_path, *TINY_ECAPA, "--ema_decay", "0.2", hparams=ECAPA)
    begin(brain)
    history = []
    for batch in random_batches(4):
        brain.step += 1
        brain.fit_batch(batch)
        history.append({key: value.clone() for key, value in brain.modules.state_dict().items()})
    averaged = brain.plain_modules.state_dict()
    for key, last in history[-1].items():
        expected = history[0][key]
        for weights, decay in zip(history[1:], (1 / 10, 2 / 11, 0.2), strict=True):  # it rises
            expected = decay * expected + (1 - decay) * weights[key]
        expected = last if last.dtype == torch.int64 else expected  # counts of batches
        torch.testing.assert_close(averaged[key], expected, rtol=1e-5, atol=1e-7)
    key = "embedding_model.network.blocks.0.conv.conv.weight"
    assert not torch.allclose(averaged[key], history[-1][key])
    assert brain.hparams.embedding_model.network.blocks[0].conv.conv.weight.data_ptr() == (
        averaged[key].data_ptr()  # what is saved by its name
    )


def test_all_of_it_carries_on_exactly(small, tmp_path):
    # Margins that rise, a loss with a parameter of its own, groups of crops, averages of weights.
    hparams = other_training(tmp_path)
    options = (*TINY_ECAPA, "--crops_per_utterance", "4", "--average_checkpoints", "2")
    options = (*options, "--remove_vector_weight_decay", "--epochs", "3", "--max_grad_norm", "4")
    whole = train(small, tmp_path / "whole", *options, hparams=hparams)
    assert len({row["lr"] for row in rows(whole)}) == 3
    assert all(0 <= float(row["train_clipped"]) <= 1 for row in rows(whole))
    parts = tmp_path / "parts"
    for stop_at in ((1, 4), (2, 9), (3, 1)):  # of 9 steps an epoch
        with killed_after(*stop_at):
            train(small, parts, *options, "--ckpt_interval_steps", "1", hparams=hparams)
    train(small, parts, *options, hparams=hparams)
    assert rows(parts) == rows(whole)
    assert (parts / "train_log.txt").read_text() == (whole / "train_log.txt").read_text()
    for path in (whole / "inference").glob("*.ckpt"):
        if path.name != "label_encoder.ckpt":
            assert path.read_bytes() == (parts / "inference" / path.name).read_bytes(), path.name


def test_the_average_of_epochs_is_tested_and_left(small, tmp_path):
    options = (*TINY_ECAPA, "--epochs", "4", "--average_checkpoints", "2")
    run = train(small, tmp_path, *options, "--ckpt_interval_steps", "1", hparams=ECAPA)
    assert "average of 2 epochs to: 4 - test eer" in (run / "train_log.txt").read_text()
    last = [next(run.glob(f"save/CKPT+epoch_000{epoch}*")) for epoch in (3, 4)]
    assert len(list(run.glob("save/CKPT+*"))) <= 4  # the best two may be others
    left = torch.load(run / "inference/embedding_model.ckpt")
    saved = [torch.load(checkpoint / "embedding_model.ckpt") for checkpoint in last]
    for key, value in left.items():
        mean = (saved[0][key].double() + saved[1][key].double()) / 2
        torch.testing.assert_close(value.double(), mean.to(value.dtype).double())
    # The centre of the embeddings is that of the average itself.
    brain = make_brain(small, tmp_path / "other", *TINY_ECAPA, hparams=ECAPA)
    brain.modules.embedding_model.load_state_dict(left)
    brain.modules.eval()
    with torch.no_grad():
        embeddings = [
            brain.compute_forward(batch, sb.Stage.VALID)[0]
            for batch in brain.hparams.data.val_loader(MIN_FRAMES)
        ]
    centre = torch.load(run / "inference/mean_var_norm_emb.ckpt")["glob_mean"]
    expected = torch.cat(embeddings).mean(dim=(0, 1))
    torch.testing.assert_close(centre, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("\nopt_class", "\nmargin_schedule: !name:max\n\nopt_class", "margin_schedule: the margin"),
        ("  classifier: !ref <classifier>\n\n", None, "embedding_cost compares crops"),
    ],
)
def test_keys_that_do_not_go_together(small, tmp_path, capsys, old, new, message):
    text = (RECIPE / "hparams/ecapa_tdnn.yaml").read_text()
    new = new or old.rstrip("\n") + (
        "\n  embedding_cost: !new:speaker_models.angular_prototypical.AngularPrototypical\n\n"
    )
    assert text.count(old) == 1
    (tmp_path / "wrong.yaml").write_text(text.replace(old, new))
    with pytest.raises(SystemExit):
        train(small, tmp_path / "run", *TINY_ECAPA, hparams=str(tmp_path / "wrong.yaml"))
    assert f"error: {message}" in capsys.readouterr().err


# The learning rate


def test_a_rate_below_that_of_the_least_loss_is_suggested():
    rates = np.logspace(-5, 0, 101)
    losses = 3 + (np.log10(rates) + 2) ** 2
    assert suggest(rates, losses) == pytest.approx(1e-3)
    with pytest.raises(RecipeError, match="the loss does not fall"):
        suggest(rates, np.arange(101.0))


def test_a_learning_rate_is_found(small, tmp_path, capsys):
    run = train(small, tmp_path, "--epochs", "1")
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}
    argv = [str(RECIPE / "hparams/prototype.yaml"), *data_options(small)]
    options = ["--batch_size", "8", "--num_workers", "0"]
    find_learning_rate.main([*argv, "--output_folder", str(tmp_path), *options])
    found = re.search(r"--learning_rate (\S+), a tenth", capsys.readouterr().out)
    assert 1e-4 < float(found[1]) < 0.5
    with open(run / "lr_finder/lr_finder.csv", newline="") as fin:
        curve = [(float(rate), float(loss)) for rate, loss in list(csv.reader(fin))[1:]]
    rates = [rate for rate, _ in curve]
    assert rates[0] == pytest.approx(1e-5) and rates == sorted(rates) and 20 < len(rates) <= 100
    assert min(loss for _, loss in curve) < curve[0][1]
    assert (run / "lr_finder/lr_finder.png").read_bytes().startswith(b"\x89PNG")
    after = {path: path.stat().st_mtime_ns for path in before}
    assert after == before


class LearntScale(torch.nn.Module):
    """Cross-entropy of scores times a factor that is learnt."""

    def __init__(self):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.ones(()))

    def forward(self, scores, classes):
        return torch.nn.functional.cross_entropy(self.factor * scores[:, 0], classes[:, 0])


def test_a_loss_with_parameters_is_trained_and_saved(small, tmp_path, capsys):
    text = (RECIPE / "hparams/prototype.yaml").read_text()
    old = "compute_cost: !name:speechbrain.nnet.losses.nll_loss"
    text = text.replace(old, "compute_cost: !new:test_optimization.LearntScale")
    (tmp_path / "scale.yaml").write_text(text)
    with pytest.raises(SystemExit):
        train(small, tmp_path / "run", hparams=str(tmp_path / "scale.yaml"))
    assert "compute_cost has parameters, which are trained and saved" in capsys.readouterr().err
    text = text.replace("\nmodules:\n", "\nmodules:\n  compute_cost: !ref <compute_cost>\n")
    (tmp_path / "scale.yaml").write_text(text)
    run = train(small, tmp_path / "run", "--epochs", "1", hparams=str(tmp_path / "scale.yaml"))
    (checkpoint,) = (run / "save").glob("CKPT+*")
    assert torch.load(checkpoint / "compute_cost.ckpt")["factor"] != 1

"""Networks and features against plain torch, and their promises about batches."""

import pytest
import speechbrain as sb
import torch
import torchaudio

from local.dataset import Batch
from plain_prototype import PlainPrototype, random_batches
from running import ECAPA, PROTOTYPE, TINY_ECAPA, make_brain
from speaker_models.mfcc import Mfcc
from speaker_models.prototype import Prototype, PrototypeClassifier


def test_prototype_trains_as_plain_torch_does(small, tmp_path):
    brain = make_brain(small, tmp_path)
    plain = PlainPrototype(n_speakers=6)
    plain.embedding[0].load_state_dict(brain.modules.embedding_model.convolution.state_dict())
    plain.prediction[0].load_state_dict(brain.modules.classifier.linear.state_dict())
    optimizer = torch.optim.Adam(plain.parameters(), lr=3e-3)
    brain.on_stage_start(sb.Stage.TRAIN, epoch=1)
    brain.modules.train()
    for batch in random_batches(3):
        expected = torch.nn.functional.nll_loss(plain(batch.signals), batch.classes)
        optimizer.zero_grad()
        expected.backward()
        optimizer.step()
        assert brain.fit_batch(batch).item() == pytest.approx(expected.item(), rel=1e-5)
    brain.bar.close()
    assert brain.modules.embedding_model.convolution.weight.detach().numpy() == pytest.approx(
        plain.embedding[0].weight.detach().numpy(), abs=1e-5
    )


def test_prototype_has_the_published_size():
    count = [
        sum(parameter.numel() for parameter in module.parameters())
        for module in (
            Prototype(n_features=40, embedding_size=128),
            PrototypeClassifier(input_size=128, out_neurons=100),
        )
    ]
    assert count == [15_488, 12_900]


def test_features_do_not_depend_on_the_company_in_the_batch():
    quiet = 1e-4 * torch.randn(1, 16000, generator=torch.Generator().manual_seed(0))
    loud = torch.ones(1, 16000)
    loud[:, ::2] = -1
    alone, together = Mfcc()(quiet), Mfcc()(torch.cat([quiet, loud]))
    assert torch.equal(alone[0], together[0])
    assert torch.allclose(alone[0], torchaudio.transforms.MFCC(n_mfcc=40)(quiet[0]).T, atol=1e-4)


def test_prototype_leaves_padding_out():
    features = torch.randn(2, 100, 40, generator=torch.Generator().manual_seed(0))
    network = Prototype()
    padded = network(features, lengths=torch.tensor([1.0, 0.6]))
    assert torch.allclose(padded[0], network(features[:1])[0], atol=1e-6)
    assert torch.allclose(padded[1], network(features[1:, :60])[0], atol=1e-6)


@pytest.mark.parametrize("hparams, options", [(PROTOTYPE, ()), (ECAPA, TINY_ECAPA)])
def test_embeddings_do_not_depend_on_the_company_in_the_batch(small, tmp_path, hparams, options):
    brain = make_brain(small, tmp_path, *options, hparams=hparams)
    brain.modules.eval()
    (batch,) = random_batches(1, size=4)
    with torch.no_grad():
        together, _, _ = brain.compute_forward(batch, sb.Stage.VALID)
        for row in range(4):
            one = Batch(batch.ids[:1], batch.signals[row : row + 1], batch.classes[:1])
            alone, _, _ = brain.compute_forward(one, sb.Stage.VALID)
            assert torch.allclose(alone[0], together[row], rtol=1e-4, atol=1e-5)


def test_ecapa_learns_by_angular_margin(small, tmp_path):
    brain = make_brain(small, tmp_path, *TINY_ECAPA, hparams=ECAPA)
    cost = brain.hparams.compute_cost
    cosine = torch.tensor([[[0.6, 0.1]]])
    angle = torch.acos(torch.tensor(0.6)) + 0.2
    logits = 30 * torch.stack([torch.cos(angle), torch.tensor(0.1)])
    expected = -torch.log_softmax(logits, dim=0)[0]
    loss = cost(cosine, torch.tensor([[0]]))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)

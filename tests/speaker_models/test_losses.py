"""Losses against plain computations, a crop at a time, and their gradients where sines vanish."""

import math
from functools import partial

import pytest
import torch
from speechbrain.lobes.models.ECAPA_TDNN import Classifier
from speechbrain.nnet.losses import AdditiveAngularMargin, AngularMargin, LogSoftmaxWrapper

from speaker_models.angular_prototypical import AngularPrototypical
from speaker_models.softmax_cost import InterTopKMargin, SoftmaxCost
from speaker_models.sub_center_classifier import SubCenterClassifier

AM = partial(AngularMargin, scale=30)
AAM = partial(AdditiveAngularMargin, scale=30)
INTER_TOP_K = partial(InterTopKMargin, scale=30, top_k=2, penalty=0.3)
MARGINS = {"none": None, "AM": AM, "AAM": AAM, "inter-top-k": INTER_TOP_K}


def cosines(rows=20, speakers=6):
    generator = torch.Generator().manual_seed(0)
    scores = 1.8 * torch.rand(rows, 1, speakers, generator=generator) - 0.9
    return scores, torch.randint(speakers, (rows, 1), generator=generator)


def plain_logits(kind, row, right):
    """Logits of one crop, from angles."""
    angles = [math.acos(cosine) for cosine in row]
    wrong = sorted((one for one in range(len(row)) if one != right), key=lambda one: angles[one])
    logits = [30 * cosine for cosine in row]
    if kind == "none":
        return list(row)
    if kind == "AM":
        logits[right] = 30 * (row[right] - 0.2)
    else:
        logits[right] = 30 * math.cos(angles[right] + 0.2)
    if kind == "inter-top-k":
        for one in wrong[:2]:
            logits[one] = 30 * math.cos(angles[one] - 0.06)
    return logits


def plain_cross_entropy(logits, right, smoothing):
    total = math.fsum(math.exp(one) for one in logits)
    surprises = [math.log(total) - one for one in logits]
    return (1 - smoothing) * surprises[right] + smoothing * sum(surprises) / len(surprises)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("kind", MARGINS)
def test_softmax_costs(kind, smoothing):
    scores, classes = cosines()
    expected = [
        plain_cross_entropy(plain_logits(kind, row, right), right, smoothing)
        for row, right in zip(scores[:, 0].tolist(), classes[:, 0].tolist(), strict=True)
    ]
    cost = SoftmaxCost(MARGINS[kind], margin=0.2, label_smoothing=smoothing, weight=0.5)
    loss = cost(scores, classes).item()
    assert loss == pytest.approx(0.5 * sum(expected) / len(expected), rel=1e-5)


def test_the_margin_can_change():
    scores, classes = cosines()
    for make in (AM, AAM, INTER_TOP_K):
        cost = SoftmaxCost(make, margin=0.2)
        cost.set_margin(0.05)
        assert cost(scores, classes) == SoftmaxCost(make, margin=0.05)(scores, classes)
        assert cost(scores, classes) < SoftmaxCost(make, margin=0.2)(scores, classes)
        cost.set_margin(0.0)  # the penalty of the inter-top-k is gone too
        plain = torch.nn.functional.cross_entropy(30 * scores[:, 0], classes[:, 0])
        assert cost(scores, classes).item() == pytest.approx(plain.item(), rel=1e-5)


def test_margins_of_speechbrain():
    scores, classes = cosines()
    theirs = LogSoftmaxWrapper(AAM(margin=0.2))(scores, classes).item()
    assert SoftmaxCost(AAM, margin=0.2)(scores, classes).item() == pytest.approx(theirs, rel=1e-6)


def test_inter_top_k_rises_with_every_cosine():
    # Wrong speakers at angles below the penalty too, where cos(theta - m') falls again.
    wrong = torch.cos(torch.linspace(math.pi, 0, 500))
    logits = InterTopKMargin(margin=0.2, scale=1.0, top_k=1, penalty=0.3)
    outputs = torch.stack([torch.zeros(500), wrong], dim=1)
    targets = torch.tensor([[1.0, 0.0]]).expand(500, 2)
    penalised = logits(outputs, targets)[:, 1]
    assert (penalised.diff() > 0).all()


EDGES = torch.tensor([[1.0, -1.0, 0.0], [-1.0, 1.0, 1.0], [-1.0, -1.0, 1.0]])


@pytest.mark.parametrize("make", [AM, AAM, INTER_TOP_K], ids=["AM", "AAM", "inter-top-k"])
def test_finite_gradients_at_the_edges(make):
    for beyond in (1.0, 1 + 1e-6):  # as float32 rounds cosines
        scores = (EDGES * beyond).unsqueeze(1).requires_grad_()
        for right in range(3):
            cost = SoftmaxCost(make, margin=0.2)(scores, torch.full((3, 1), right))
            (gradient,) = torch.autograd.grad(cost, scores)
            assert cost.isfinite() and gradient.isfinite().all()


def test_one_sub_center_is_speechbrains_classifier():
    torch.manual_seed(0)
    ours, theirs = (
        SubCenterClassifier(input_size=8, out_neurons=5, sub_centers=1),
        Classifier(8, out_neurons=5),
    )
    theirs.weight.data = ours.weight.data
    embeddings = torch.randn(4, 1, 8)
    torch.testing.assert_close(ours(embeddings), theirs(embeddings))


def test_the_closest_sub_center_counts():
    torch.manual_seed(0)
    classifier = SubCenterClassifier(input_size=8, out_neurons=5, sub_centers=3)
    embeddings = torch.randn(4, 1, 8)
    scores = classifier(embeddings)
    for row, embedding in enumerate(embeddings[:, 0]):
        for speaker in range(5):
            centers = classifier.weight[3 * speaker : 3 * speaker + 3]
            cosine = [torch.dot(embedding, c) / embedding.norm() / c.norm() for c in centers]
            assert scores[row, 0, speaker].item() == pytest.approx(max(cosine).item(), abs=1e-6)


def plain_prototypical(embeddings, classes, scale):
    crops = {}
    for embedding, speaker in zip(embeddings, classes, strict=True):
        crops.setdefault(speaker, []).append(embedding)
    crops = [of_speaker for of_speaker in crops.values() if len(of_speaker) > 1]
    prototypes = [sum(others) / len(others) for _, *others in crops]
    losses = []
    for right, (query, *_) in enumerate(crops):
        logits = [scale * (query @ p / query.norm() / p.norm()).item() for p in prototypes]
        losses.append(plain_cross_entropy(logits, right, 0.0))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("classes", [[3, 3, 1, 1, 7, 7], [3, 3, 3, 1, 1, 1], [5, 3, 1, 3, 5, 3]])
def test_angular_prototypical(classes):
    embeddings = torch.randn(6, 1, 8, generator=torch.Generator().manual_seed(0))
    expected = plain_prototypical(embeddings[:, 0], classes, scale=10)
    cost = AngularPrototypical(weight=0.5)
    loss = cost(embeddings, torch.tensor(classes)[:, None])
    assert loss.item() == pytest.approx(0.5 * expected, rel=1e-5)


def test_angular_prototypical_learns_and_stays_finite():
    cost = AngularPrototypical()
    same, opposite = torch.ones(2, 1, 4), -torch.ones(2, 1, 4)
    embeddings = torch.cat([same, opposite]).requires_grad_()
    cost(embeddings, torch.tensor([[0], [0], [1], [1]])).backward()
    assert embeddings.grad.isfinite().all() and cost.scale.grad.item() < 0
    with pytest.raises(ValueError, match="crops_per_speaker"):
        cost(embeddings, torch.tensor([[0], [1], [2], [3]]))

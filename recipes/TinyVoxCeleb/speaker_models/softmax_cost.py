"""Softmax losses of class scores: with a margin or without, with smoothed labels or without."""

import math
from collections.abc import Callable

import torch
from speechbrain.nnet.losses import AdditiveAngularMargin
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot


class SoftmaxCost(torch.nn.Module):
    """Cross-entropy of class scores, with a margin for the right class.

    Unlike SpeechBrain's LogSoftmaxWrapper it smooths labels, and its margin can change while it is
    used.

    Arguments
    ---------
    make_margin : callable, optional
        Makes, from the keyword `margin`, a function of cosines and one-hot labels, both of shape
        (batch, speakers), that returns logits: SpeechBrain's AngularMargin (AM) and
        AdditiveAngularMargin (AAM), or `InterTopKMargin`. Without it, scores are logits.
    margin : float
        Subtracted from the cosine (AM), or added to the angle in radians (AAM).
    label_smoothing : float
        Share of the label that all speakers have in common (Szegedy et al. 2016, section 7).
    weight : float
        Factor of this loss, beside a loss of the embeddings; 0 leaves the classifier untrained.

    Example
    -------
    >>> from functools import partial
    >>> cost = SoftmaxCost(partial(AdditiveAngularMargin, scale=30), margin=0.2)
    >>> cost(torch.tensor([[[0.6, 0.1]]]), torch.tensor([[0]]))
    tensor(5.1497e-05)
    """

    def __init__(
        self,
        make_margin: Callable | None = None,
        *,
        margin: float = 0.0,
        label_smoothing: float = 0.0,
        weight: float = 1.0,
    ):
        super().__init__()
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing {label_smoothing}: expected 0 to 1")
        self.make_margin = make_margin
        self.label_smoothing = label_smoothing
        self.weight = weight
        self.margin = None
        if make_margin is not None:
            self.set_margin(margin)

    def set_margin(self, margin: float) -> None:
        """Change the margin, as a schedule asks for it before each batch."""
        if margin != self.margin:
            # SpeechBrain's keep sines and cosines of their margin, so each has a new one.
            self.logits = self.make_margin(margin=margin)
            self.margin = margin

    def forward(self, scores: Tensor, classes: Tensor) -> Tensor:
        """Mean loss of a batch: scores (batch, 1, speakers), classes (batch, 1)."""
        scores, classes = scores.squeeze(1).float(), classes.squeeze(1)
        if self.make_margin is not None:
            scores = self.logits(scores, one_hot(classes, scores.shape[1]).to(scores.dtype))
        return self.weight * cross_entropy(scores, classes, label_smoothing=self.label_smoothing)


class InterTopKMargin(AdditiveAngularMargin):
    """cos(theta + m) for the right speaker, cos(theta - m') for the k closest wrong ones.

    Zhao et al., "The SpeakIn system for VoxCeleb speaker recognition challenge 2021", section 2.4
    (https://arxiv.org/abs/2109.01989). Below the angle m', where cos(theta - m') would fall again,
    the cosine goes on rising by itself, as AAM's does beyond pi - m.

    Arguments
    ---------
    margin : float
        m in radians.
    top_k : int
        How many wrong speakers are penalised.
    penalty : float
        m' as a share of m, with which it grows; the paper's 0.06 of 0.2 are 0.3.

    Example
    -------
    >>> logits = InterTopKMargin(margin=0.2, scale=1, top_k=1)
    >>> logits(torch.tensor([[0.6, 0.1, 0.3]]), torch.tensor([[1.0, 0.0, 0.0]]))
    tensor([[0.4291, 0.1000, 0.3567]])
    """

    def __init__(
        self, *, margin: float = 0.2, scale: float = 30.0, top_k: int = 5, penalty: float = 0.3
    ):
        super().__init__(margin, scale)
        self.top_k = top_k
        self.penalty = penalty * margin

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Logits of cosines and one-hot labels; all of shape (batch, speakers)."""
        cosine = outputs.float()
        wrong = cosine - 3 * targets  # the right speaker comes last
        nearest = wrong.topk(min(self.top_k, cosine.shape[1] - 1), dim=1).indices
        penalised = torch.zeros_like(cosine).scatter(1, nearest, 1.0)
        inside = cosine.clamp(-1 + 1e-7, 1 - 1e-7)  # where the sine has a gradient
        sine = (1 - inside**2).sqrt()
        cos_p, sin_p = math.cos(self.penalty), math.sin(self.penalty)
        closer = torch.where(cosine < cos_p, inside * cos_p + sine * sin_p, cosine + 1 - cos_p)
        # Where the label is 0, AAM only scales.
        return super().forward(outputs, targets) + self.scale * penalised * (closer - cosine)

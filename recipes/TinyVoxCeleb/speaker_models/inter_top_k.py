"""Additive angular margin with a penalty on the speakers that are most alike."""

import math

import torch
from speechbrain.nnet.losses import AdditiveAngularMargin


class InterTopKMargin(AdditiveAngularMargin):
    """cos(theta + m) for the right speaker, cos(theta - m') for the k closest wrong ones.

    Zhao et al., "The SpeakIn system for VoxCeleb speaker recognition challenge 2021", section 2.4
    (https://arxiv.org/abs/2109.01989). Below the angle m', where cos(theta - m') would fall again,
    the cosine goes on rising by itself, as AAM's does beyond pi - m.

    Arguments
    ---------
    margin : float
        m in radians.
    scale : float
    top_k : int
        Wrong speakers that are penalised.
    penalty : float
        m' as a share of m, with which it grows; the paper's 0.06 of 0.2 are 0.3.

    Example
    -------
    >>> logits = InterTopKMargin(margin=0.2, scale=1, top_k=1)
    >>> logits(torch.tensor([[0.6, 0.1, 0.3]]), torch.tensor([[1.0, 0.0, 0.0]]))
    tensor([[0.4291, 0.1000, 0.3567]])
    """

    def __init__(self, margin=0.2, scale=30.0, *, top_k=5, penalty=0.3):
        super().__init__(margin, scale)
        self.top_k = top_k
        self.penalty = penalty * margin

    def forward(self, outputs, targets):
        """Logits of a batch.

        Arguments
        ---------
        outputs : torch.Tensor
            Cosines, shape (batch, speakers).
        targets : torch.Tensor
            One-hot labels, shape (batch, speakers).

        Returns
        -------
        torch.Tensor
            Shape (batch, speakers).
        """
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

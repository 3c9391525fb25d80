"""Angular prototypical loss: a crop is to be closest to the other crops of its speaker."""

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, cross_entropy, one_hot


class AngularPrototypical(torch.nn.Module):
    """Softmax over the cosines of each speaker's query and all speakers' prototypes.

    Of a speaker's crops in the batch the first is the query, and the mean of the others the
    prototype. Chung et al., "In defence of metric learning for speaker recognition", Interspeech
    2020, section 2.3 (https://arxiv.org/abs/2003.11982). Their bias is left out: the softmax takes
    it away again. The cosines' `scale` is learnt, from the given one on; `weight` is that of this
    loss beside the loss of the classes.

    Attributes
    ----------
    crops_per_speaker : int
        How many crops of a speaker a batch has to hold at the least.

    Example
    -------
    >>> cost = AngularPrototypical()
    >>> embeddings = torch.eye(2).repeat_interleave(2, dim=0).unsqueeze(1)
    >>> loss = cost(embeddings, torch.tensor([[5], [5], [3], [3]]))
    >>> round(loss.item(), 7)  # log(1 + exp(-10))
    4.54e-05
    """

    crops_per_speaker = 2

    def __init__(self, *, scale: float = 10.0, weight: float = 1.0):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor([scale]))
        self.weight = weight

    def forward(self, embeddings: Tensor, classes: Tensor) -> Tensor:
        """Mean loss of the speakers of a batch: embeddings (batch, 1, size), classes (batch, 1).

        A speaker who comes once has neither query nor prototype and is left out.

        Raises
        ------
        ValueError
            Every speaker comes once.
        """
        _, numbers, counts = torch.unique(classes, return_inverse=True, return_counts=True)
        numbers, several = numbers.squeeze(1), counts > 1
        if not several.any():
            raise ValueError("expected several crops of a speaker in a batch: crops_per_speaker")
        queries = numbers.argsort(stable=True)[counts.cumsum(0) - counts]
        members = one_hot(numbers, len(counts)).T.float()  # (speakers, batch)
        members[torch.arange(len(counts), device=members.device), queries] = 0
        with torch.autocast(embeddings.device.type, enabled=False):
            vectors = embeddings.squeeze(1).float()
            prototypes = members[several] @ vectors / (counts[several, None] - 1)
            cosines = cosine_similarity(vectors[queries[several], None], prototypes, dim=-1)
            logits = self.scale.clamp(min=1e-6) * cosines  # (queries, prototypes)
            right = torch.arange(len(logits), device=logits.device)
            return self.weight * cross_entropy(logits, right)

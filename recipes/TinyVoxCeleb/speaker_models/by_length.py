"""Batches of utterances of different lengths, for networks that have no masks."""

import torch
from torch import Tensor


class ByLength(torch.nn.Module):
    """A network to which utterances of different lengths in one batch go by groups of equal length.

    Convolutions see the padding behind an utterance: no mask in the pooling mends that. Here each
    utterance is cut to its own length, so that its embedding does not depend on the other
    utterances of the batch, exactly. Where all lengths are equal it is one call.

    In training mode it always is one call: batch normalisation is to see the whole batch, and crops
    are equally long.

    Example
    -------
    >>> from speaker_models.xvector import Xvector
    >>> network = ByLength(Xvector(n_features=80, channels=[8] * 5, embedding_size=16)).eval()
    >>> features, lengths = torch.rand(2, 100, 80), torch.tensor([1.0, 0.6])
    >>> embeddings = network(features, lengths)
    >>> embeddings.shape
    torch.Size([2, 1, 16])
    >>> torch.allclose(embeddings[1:], network(features[1:, :60]), atol=1e-6)
    True
    """

    def __init__(self, network: torch.nn.Module):
        super().__init__()
        self.network = network

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Embed utterances; see the package for the shapes.

        Raises
        ------
        ValueError
            The features of a frame are not as many as the `n_features` of the network.
        """
        expected = getattr(self.network, "n_features", features.shape[2])
        if features.shape[2] != expected:
            raise ValueError(
                f"features have {features.shape[2]} values a frame, the network expects "
                f"{expected} (its n_features)"
            )
        if self.training or lengths is None:
            return self.network(features, lengths)
        counts = (lengths * features.shape[1]).round().long().clamp(min=1)
        different = counts.unique().tolist()
        if different == [features.shape[1]]:
            return self.network(features, lengths)
        embeddings = [None] * len(features)
        for number in different:
            rows = (counts == number).nonzero().flatten().tolist()
            group = self.network(features[rows, :number], lengths.new_ones(len(rows)))
            for row, embedding in zip(rows, group, strict=True):
                embeddings[row] = embedding
        return torch.stack(embeddings)

"""Batches of utterances of different lengths, for networks that have no masks."""

import torch


class ByLength(torch.nn.Module):
    """A network to which utterances of different lengths in one batch go by groups of equal length.

    Convolutions see the padding behind an utterance: no mask in the pooling mends that. Here each
    utterance is cut to its own length, so that embeddings do not depend on the company in the
    batch, exactly. Where all lengths are equal it is one call.

    In training mode it always is: batch normalisation is to see the whole batch, and crops are
    equally long.

    Arguments
    ---------
    network : torch.nn.Module
        From features (batch, frames, n_features) and relative lengths (batch,) to embeddings
        (batch, 1, embedding_size). If it has an attribute `n_features`, features are checked.

    Example
    -------
    >>> from speaker_models.xvector import Xvector
    >>> network = ByLength(Xvector(80, channels=[8] * 5, embedding_size=16)).eval()
    >>> features, lengths = torch.rand(2, 100, 80), torch.tensor([1.0, 0.6])
    >>> embeddings = network(features, lengths)
    >>> embeddings.shape
    torch.Size([2, 1, 16])
    >>> torch.allclose(embeddings[1:], network(features[1:, :60]), atol=1e-6)
    True
    """

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, features, lengths=None):
        """Embed utterances.

        Arguments
        ---------
        features : torch.Tensor
            Shape (batch, frames, n_features).
        lengths : torch.Tensor, optional
            Relative lengths, shape (batch,): frames behind an utterance's end are left out.

        Returns
        -------
        torch.Tensor
            Shape (batch, 1, embedding_size).

        Raises
        ------
        ValueError
            The network is made for another number of features a frame.
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
            group = features[rows, :number]
            for row, embedding in zip(
                rows, self.network(group, lengths.new_ones(len(rows))), strict=True
            ):
                embeddings[row] = embedding
        return torch.stack(embeddings)

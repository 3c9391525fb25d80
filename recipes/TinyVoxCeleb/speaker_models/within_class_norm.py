"""Within-class covariance normalisation, as the last layer of an embedding network."""

import torch
from torch import Tensor
from torch.nn.functional import normalize


class WithinClassNorm(torch.nn.Module):
    """A network, and after it a layer that shortens the directions in which a speaker varies.

    A. Hatch, S. Kajarekar, A. Stolcke, "Within-class covariance normalization for SVM-based speaker
    recognition", Interspeech 2006; N. Dehak et al., IEEE TASLP 19(4), 2011, have it before cosine
    scoring. Fitted to embeddings of augmented crops, it shortens what channels change.

    Until it is fitted, embeddings are divided by their length, and no more. `shrinkage`, from 0 to
    1, is the share of a multiple of the identity in the covariance; with 1, embeddings are only
    centred.

    Example
    -------
    >>> from speaker_models.xvector import Xvector
    >>> xvector = Xvector(n_features=80, channels=[8] * 5, embedding_size=16)
    >>> network = WithinClassNorm(xvector, embedding_size=16).eval()
    >>> features, speakers = torch.rand(30, 100, 80), torch.arange(30) % 5
    >>> network.fit_norm(network(features).squeeze(1).detach(), speakers, 5).shape
    torch.Size([5, 16])
    >>> network(features).shape
    torch.Size([30, 1, 16])
    """

    def __init__(self, network: torch.nn.Module, *, embedding_size: int, shrinkage: float = 0.7):
        super().__init__()
        if not 0 < shrinkage <= 1:
            raise ValueError(f"shrinkage {shrinkage}: expected more than 0, at most 1")
        self.network = network
        self.shrinkage = shrinkage
        self.register_buffer("mean", torch.zeros(embedding_size))
        self.register_buffer("projection", torch.eye(embedding_size))

    def reset_norm(self) -> None:
        """Forget what the layer was fitted to."""
        self.mean.zero_()
        self.projection.copy_(torch.eye(len(self.mean)))

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Embed utterances; see the package for the shapes."""
        return self._normalised(self.network(features, lengths))

    def _normalised(self, embeddings):
        return normalize(normalize(embeddings, dim=-1) - self.mean, dim=-1) @ self.projection

    @torch.no_grad()
    def fit_norm(self, embeddings: Tensor, classes: Tensor, count: int) -> Tensor:
        """Fit the layer to embeddings (crops, embedding_size) from before it was fitted.

        There are `count` classes; those of the crops have the shape (crops,). Returns the mean of
        what the embeddings of each class become, (count, embedding_size); 0 for a class without
        crops.

        Raises
        ------
        ValueError
            The embeddings of each class are the same.
        """
        mean = embeddings.double().mean(dim=0)
        centred = normalize(embeddings.double() - mean, dim=-1)
        within = centred - _class_means(centred, classes, count)[classes]
        covariance = within.T @ within / len(within)
        if not covariance.trace() > 0:
            raise ValueError("the embeddings of a speaker do not differ: expected several crops")
        size = len(mean)
        sphere = covariance.trace() / size * torch.eye(size).to(covariance)
        values, vectors = torch.linalg.eigh(torch.lerp(covariance, sphere, self.shrinkage))
        self.mean.copy_(mean)
        self.projection.copy_(vectors / values.sqrt() @ vectors.T)
        return _class_means(self._normalised(embeddings), classes, count)


def _class_means(embeddings, classes, count):
    sums = embeddings.new_zeros(count, embeddings.shape[1]).index_add(0, classes, embeddings)
    return sums / classes.bincount(minlength=count).clamp(min=1)[:, None]

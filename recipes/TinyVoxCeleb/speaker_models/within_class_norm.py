"""Within-class covariance normalisation, of utterances that are heard in several voices.

It is fitted when the training is over, and void when training goes on: in training mode a network
hears each crop in one voice, and the classifier compares with the directions that it learns.
"""

from collections.abc import Sequence

import torch
from speechbrain.lobes.models.ECAPA_TDNN import Classifier
from torch import Tensor
from torch.nn.functional import linear, normalize


class WithinClassNorm(torch.nn.Module):
    """A network, and after it a layer that shortens the directions in which a speaker varies.

    A. Hatch, S. Kajarekar, A. Stolcke, "Within-class covariance normalization for SVM-based speaker
    recognition", Interspeech 2006; N. Dehak et al., IEEE TASLP 19(4), 2011, have it before cosine
    scoring. Fitted to embeddings of augmented crops, it shortens what channels change.

    Where the features of an utterance are those of several voices side by side, as a WarpedFbank
    gives them, its embedding is that of all its voices, one behind the other, normalised together.
    Each voice is another view of the same speaker, whose mistakes are others.

    Until it is fitted, and in training mode, the embedding is that of the first voice, divided by
    its length.

    Arguments
    ---------
    network : torch.nn.Module
        From features of one voice to embeddings.
    n_features, embedding_size : int
        Of one voice.
    warps : list of float
        The voices, of which only the number matters here.
    shrinkage : float
        From 0 to 1: share of a multiple of the identity in the covariance. With 1, embeddings are
        only centred.

    Example
    -------
    >>> from speaker_models.xvector import Xvector
    >>> xvector = Xvector(n_features=80, channels=[8] * 5, embedding_size=16)
    >>> network = WithinClassNorm(xvector, n_features=80, embedding_size=16, warps=[1.0, 0.9])
    >>> features, speakers = torch.rand(30, 100, 2 * 80), torch.arange(30) % 5
    >>> network.eval()(features).shape
    torch.Size([30, 1, 16])
    >>> network.begin_fit()
    >>> network.fit_norm(network(features).squeeze(1).detach(), speakers, 5).shape
    torch.Size([5, 32])
    >>> network(features).shape
    torch.Size([30, 1, 32])
    """

    def __init__(
        self,
        network: torch.nn.Module,
        *,
        n_features: int,
        embedding_size: int,
        warps: Sequence[float] = (1.0,),
        shrinkage: float = 0.8,
    ):
        super().__init__()
        if not 0 < shrinkage <= 1:
            raise ValueError(f"shrinkage {shrinkage}: expected more than 0, at most 1")
        self.network = network
        self.n_features = n_features
        self.shrinkage = shrinkage
        self.register_buffer("fitted", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(embedding_size * len(warps)))
        self.register_buffer("projection", torch.eye(embedding_size * len(warps)))

    def train(self, mode: bool = True) -> "WithinClassNorm":
        """As of every module; training makes void what was fitted."""
        _void(self, mode)
        return super().train(mode)

    def begin_fit(self) -> None:
        """Forget what the layer was fitted to, and embed all voices, for `fit_norm`."""
        self.fitted.fill_(1)
        self.mean.zero_()
        self.projection.copy_(torch.eye(len(self.mean)))

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Embed utterances; see the package for the shapes."""
        voices = features.split(self.n_features, dim=2)
        if self.training or not self.fitted:
            return normalize(self.network(voices[0], lengths), dim=-1)
        views = [normalize(self.network(voice, lengths), dim=-1) for voice in voices]
        return self._normalised(normalize(torch.cat(views, dim=-1), dim=-1))

    def _normalised(self, embeddings):
        return normalize(embeddings - self.mean, dim=-1) @ self.projection

    @torch.no_grad()
    def fit_norm(self, embeddings: Tensor, classes: Tensor, count: int) -> Tensor:
        """Fit the layer to embeddings (crops, embedding_size * voices) after `begin_fit`.

        There are `count` classes; those of the crops have the shape (crops,). Returns the mean of
        what the embeddings of each class become, (count, embedding_size * voices); 0 for a class
        without crops.

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


class MeansClassifier(Classifier):
    """SpeechBrain's classifier by cosines, and one by means for embeddings that are fitted.

    The first is trained, with a class for each voice of each speaker where there are several. The
    second, of the speakers alone, takes its place behind a fitted WithinClassNorm.

    Example
    -------
    >>> classifier = MeansClassifier(16, out_neurons=10).eval()
    >>> classifier(torch.rand(3, 1, 16)).shape
    torch.Size([3, 1, 10])
    >>> classifier.set_means(torch.rand(5, 32))
    >>> classifier(torch.rand(3, 1, 32)).shape
    torch.Size([3, 1, 5])
    """

    def __init__(self, input_size: int, **options):
        super().__init__(input_size, **options)
        self.register_buffer("fitted", torch.zeros(()))
        self.register_buffer("means", torch.zeros(0, input_size))

    def train(self, mode: bool = True) -> "MeansClassifier":
        """As of every module; training makes void what was fitted."""
        _void(self, mode)
        return super().train(mode)

    def set_means(self, means: Tensor) -> None:
        """Compare with the mean embedding of each speaker, shape (speakers, size)."""
        self.fitted.fill_(1)
        self.means = means.to(self.weight)

    def _load_from_state_dict(self, state_dict, prefix, *args):
        saved = state_dict.get(f"{prefix}means", self.means)
        self.means = self.means.new_zeros(saved.shape)  # there may be others
        super()._load_from_state_dict(state_dict, prefix, *args)

    def forward(self, x: Tensor) -> Tensor:
        """From embeddings (batch, 1, size) to cosines (batch, 1, classes)."""
        if self.training or not self.fitted:
            return super().forward(x)
        return linear(normalize(x, dim=-1), normalize(self.means, dim=-1))


def _void(module, training):
    if training:
        module.fitted.zero_()


def _class_means(embeddings, classes, count):
    sums = embeddings.new_zeros(count, embeddings.shape[1]).index_add(0, classes, embeddings)
    return sums / classes.bincount(minlength=count).clamp(min=1)[:, None]

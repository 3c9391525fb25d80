"""The x-vector network: layers of dilated convolutions over time, pooled."""

import torch
from speechbrain.lobes.models.ECAPA_TDNN import TDNNBlock

from speaker_models.pooling import make_pooling


class Xvector(torch.nn.Module):
    """D. Snyder et al., "X-vectors: robust DNN embeddings for speaker recognition", ICASSP 2018.

    Of SpeechBrain's blocks. Its own Xvector has one pooling only, which adds noise.

    Arguments
    ---------
    n_features : int
        Number of features a frame.
    channels : list of int
        Of each layer; the defaults are the published sizes.
    kernel_sizes, dilations : list of int
        Of each layer, in frames.
    embedding_size : int
    pooling : str
        A key of `speaker_models.pooling.POOLINGS`.

    Example
    -------
    >>> Xvector(n_features=80)(torch.rand(2, 100, 80)).shape
    torch.Size([2, 1, 512])
    """

    def __init__(
        self,
        n_features,
        channels=(512, 512, 512, 512, 1500),
        kernel_sizes=(5, 3, 3, 1, 1),
        dilations=(1, 2, 3, 1, 1),
        embedding_size=512,
        pooling="statistics",
    ):
        super().__init__()
        self.n_features = n_features
        inputs = (n_features, *channels[:-1])
        layers = zip(inputs, channels, kernel_sizes, dilations, strict=True)
        self.layers = torch.nn.Sequential(*(TDNNBlock(*sizes) for sizes in layers))
        self.pooling = make_pooling(pooling, channels[-1])
        self.linear = torch.nn.Linear(self.pooling.output_size, embedding_size)

    def forward(self, features, lengths=None):
        """Embed utterances.

        Arguments
        ---------
        features : torch.Tensor
            Shape (batch, frames, n_features).
        lengths : torch.Tensor, optional
            Relative lengths, shape (batch,), for the pooling; the layers see the padding, from
            which `ByLength` keeps them.

        Returns
        -------
        torch.Tensor
            Shape (batch, 1, embedding_size).
        """
        frames = self.layers(features.transpose(1, 2)).transpose(1, 2)
        return self.linear(self.pooling(frames, lengths))

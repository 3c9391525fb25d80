"""The x-vector network: layers of dilated convolutions over time, pooled."""

from collections.abc import Sequence

import torch
from speechbrain.lobes.models.ECAPA_TDNN import TDNNBlock
from torch import Tensor

from speaker_models.pooling import make_pooling


class Xvector(torch.nn.Module):
    """D. Snyder et al., "X-vectors: robust DNN embeddings for speaker recognition", ICASSP 2018.

    Made of SpeechBrain's blocks. Its own Xvector has one pooling only, which adds noise.

    Arguments
    ---------
    channels, kernel_sizes, dilations : list of int
        One of each for a layer, the latter two in frames; the defaults are the published sizes.
    pooling : str
        A key of `speaker_models.pooling.POOLINGS`.

    Example
    -------
    >>> Xvector(n_features=80)(torch.rand(2, 100, 80)).shape
    torch.Size([2, 1, 512])
    """

    def __init__(
        self,
        *,
        n_features: int,
        channels: Sequence[int] = (512, 512, 512, 512, 1500),
        kernel_sizes: Sequence[int] = (5, 3, 3, 1, 1),
        dilations: Sequence[int] = (1, 2, 3, 1, 1),
        embedding_size: int = 512,
        pooling: str = "statistics",
    ):
        super().__init__()
        counts = len(channels), len(kernel_sizes), len(dilations)
        if len(set(counts)) > 1:
            raise ValueError(
                "channels, kernel_sizes, dilations: expected one of each for a layer, found "
                f"{', '.join(map(str, counts))}"
            )
        self.n_features = n_features
        inputs = (n_features, *channels[:-1])
        layers = zip(inputs, channels, kernel_sizes, dilations, strict=True)
        self.layers = torch.nn.Sequential(*(TDNNBlock(*sizes) for sizes in layers))
        self.pooling = make_pooling(pooling, channels[-1])
        self.linear = torch.nn.Linear(self.pooling.output_size, embedding_size)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Embed utterances; see the package for the shapes.

        The layers see the padding, from which `ByLength` keeps them; the pooling does not.
        """
        frames = self.layers(features.transpose(1, 2)).transpose(1, 2)
        return self.linear(self.pooling(frames, lengths))

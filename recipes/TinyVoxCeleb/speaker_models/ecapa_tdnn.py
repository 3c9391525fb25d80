"""SpeechBrain's ECAPA-TDNN, with the pooling to choose."""

import torch
from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN, BatchNorm1d, Conv1d

from speaker_models.pooling import make_pooling


class EcapaTdnn(ECAPA_TDNN):
    """B. Desplanques et al., "ECAPA-TDNN", Interspeech 2020 (arXiv 2005.07143).

    Features (batch, frames, n_features) become embeddings (batch, 1, embedding_size). `pooling` is
    a key of `speaker_models.pooling.POOLINGS`. Attentive statistics are those of SpeechBrain's
    network, with the `attention_channels` among `sizes`, which are its arguments: then this network
    is the same, weight for weight.

    Example
    -------
    >>> sizes = {"embedding_size": 16, "channels": [16] * 5}
    >>> EcapaTdnn(n_features=80, pooling="mean", **sizes)(torch.rand(2, 100, 80)).shape
    torch.Size([2, 1, 16])
    """

    def __init__(
        self,
        *,
        n_features: int,
        embedding_size: int = 192,
        pooling: str = "attentive_statistics",
        **sizes,
    ):
        super().__init__(n_features, lin_neurons=embedding_size, **sizes)
        self.n_features = n_features
        if pooling != "attentive_statistics":
            self.asp = _ChannelsFirst(make_pooling(pooling, self.channels[-1]))
            size = self.asp.pooling.output_size
            self.asp_bn = BatchNorm1d(input_size=size)
            self.fc = Conv1d(in_channels=size, out_channels=embedding_size, kernel_size=1)


class _ChannelsFirst(torch.nn.Module):
    """A pooling for tensors of shape (batch, channels, time)."""

    def __init__(self, pooling):
        super().__init__()
        self.pooling = pooling

    def forward(self, frames, lengths=None):
        return self.pooling(frames.transpose(1, 2), lengths).transpose(1, 2)

"""SpeechBrain's ECAPA-TDNN, with the pooling to choose."""

import torch
from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN, BatchNorm1d, Conv1d

from speaker_models.pooling import make_pooling


class EcapaTdnn(ECAPA_TDNN):
    """B. Desplanques et al., "ECAPA-TDNN", Interspeech 2020 (arXiv 2005.07143).

    Arguments
    ---------
    n_features : int
        Number of features a frame.
    embedding_size : int
    pooling : str
        A key of `speaker_models.pooling.POOLINGS`. Attentive statistics, with the
        `attention_channels` among `sizes`, are those of SpeechBrain's network, which then is what
        this is, weight for weight.
    **sizes
        See SpeechBrain's ECAPA_TDNN.

    Example
    -------
    >>> network = EcapaTdnn(80, embedding_size=16, pooling="mean", channels=[16] * 5)
    >>> network(torch.rand(2, 100, 80)).shape
    torch.Size([2, 1, 16])
    """

    def __init__(self, n_features, embedding_size=192, pooling="attentive_statistics", **sizes):
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

"""Poolings over time: from the frames of an utterance to one vector, whatever its length.

All are made with a number of channels and have one call: from frames (batch, time, channels) and
relative lengths (batch,), behind which frames are left out, to (batch, 1, output_size). Without
lengths, all frames count.
"""

import torch
from speechbrain.dataio.dataio import length_to_mask
from speechbrain.lobes.models.ECAPA_TDNN import AttentiveStatisticsPooling
from torch import Tensor

MIN_VARIANCE = 1e-12  # as SpeechBrain's: below it, the root's gradient is cut off


class Mean(torch.nn.Module):
    """The mean of each channel.

    Example
    -------
    >>> pooling = Mean(8)
    >>> pooling(torch.rand(2, 50, 8), torch.tensor([1.0, 0.5])).shape, pooling.output_size
    (torch.Size([2, 1, 8]), 8)
    """

    def __init__(self, channels: int):
        super().__init__()
        self.output_size = channels

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Pool utterances."""
        return (speech(frames, lengths) / count(frames, lengths) * frames).sum(1, keepdim=True)


class Statistics(torch.nn.Module):
    """Mean and standard deviation of each channel (Snyder et al., "X-vectors", ICASSP 2018).

    SpeechBrain's StatisticsPooling adds noise to the mean, so that embeddings differ from call to
    call; this one does not.

    Example
    -------
    >>> Statistics(8)(torch.rand(2, 50, 8)).shape
    torch.Size([2, 1, 16])
    """

    def __init__(self, channels: int):
        super().__init__()
        self.output_size = 2 * channels

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Pool utterances."""
        return statistics(frames, speech(frames, lengths) / count(frames, lengths))


class AttentiveStatistics(torch.nn.Module):
    """Mean and standard deviation, weighted by an attention of each channel over time.

    Okabe et al., "Attentive statistics pooling", Interspeech 2018; with the global context of
    ECAPA-TDNN, as SpeechBrain has it. `attention_channels` are the hidden ones of the attention.

    Example
    -------
    >>> AttentiveStatistics(8)(torch.rand(2, 50, 8)).shape
    torch.Size([2, 1, 16])
    """

    def __init__(self, channels: int, attention_channels: int = 128):
        super().__init__()
        self.output_size = 2 * channels
        self.attention = AttentiveStatisticsPooling(channels, attention_channels)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Pool utterances."""
        # SpeechBrain counts a frame that begins before the end, which rounding may move by a
        # little: half a frame less gives the very number of frames.
        lengths = (count(frames, lengths).flatten() - 0.5) / frames.shape[1]
        return self.attention(frames.transpose(1, 2), lengths).transpose(1, 2)


class MultiHeadStatistics(torch.nn.Module):
    """Mean and standard deviation, weighted by an attention of each head over time.

    Each head has its share of the channels and a learnt query (India, Safari and Hernando, "Self
    multi-head attention for speaker recognition", Interspeech 2019); the deviation is added as in
    attentive statistics. It begins as `Statistics` and adds but one parameter a channel, which
    suits little data. The number of heads has to divide the number of channels.

    Example
    -------
    >>> MultiHeadStatistics(8)(torch.rand(2, 50, 8)).shape
    torch.Size([2, 1, 16])
    """

    def __init__(self, channels: int, heads: int = 4):
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels cannot be shared by {heads} heads evenly")
        self.output_size = 2 * channels
        self.queries = torch.nn.Parameter(torch.zeros(heads, channels // heads))

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Pool utterances."""
        heads, size = self.queries.shape
        scores = (frames.unflatten(2, (heads, size)) * self.queries).sum(3) / size**0.5
        scores = scores.masked_fill(speech(frames, lengths) == 0, float("-inf"))
        weights = scores.softmax(1)  # (batch, time, heads)
        return statistics(frames, weights.repeat_interleave(size, dim=2))


POOLINGS = {
    "mean": Mean,
    "statistics": Statistics,
    "attentive_statistics": AttentiveStatistics,
    "multi_head_statistics": MultiHeadStatistics,
}


def make_pooling(name: str, channels: int) -> torch.nn.Module:
    """The pooling that an hparams file names by a key of POOLINGS."""
    if name not in POOLINGS:
        raise ValueError(f"pooling: expected one of {', '.join(POOLINGS)}, found {name!r}")
    return POOLINGS[name](channels)


def count(frames: Tensor, lengths: Tensor | None) -> Tensor:
    """Frames of each utterance without its padding, shape (batch, 1, 1)."""
    if lengths is None:
        lengths = torch.ones(len(frames), device=frames.device)
    return (lengths * frames.shape[1]).round().clamp(min=1).reshape(-1, 1, 1)


def speech(frames: Tensor, lengths: Tensor | None) -> Tensor:
    """1 for the frames of an utterance, 0 for its padding, shape (batch, time, 1)."""
    return length_to_mask(count(frames, lengths).flatten(), frames.shape[1]).unsqueeze(2)


def statistics(frames: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean and standard deviation, (batch, 1, 2 * channels); weights sum up to 1."""
    mean = (weights * frames).sum(1, keepdim=True)
    variance = (weights * (frames - mean).square()).sum(1, keepdim=True)
    return torch.cat([mean, variance.clamp(min=MIN_VARIANCE).sqrt()], dim=2)

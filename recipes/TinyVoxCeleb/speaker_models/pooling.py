"""Poolings over time: from the frames of an utterance to one vector, whatever its length.

All have one interface: made with the number of channels, `output_size` channels come out.
"""

import torch
from speechbrain.dataio.dataio import length_to_mask
from speechbrain.lobes.models.ECAPA_TDNN import AttentiveStatisticsPooling

MIN_VARIANCE = 1e-12  # as SpeechBrain's: below it, the root's gradient is cut off


class Mean(torch.nn.Module):
    """The mean of each channel.

    Arguments
    ---------
    channels : int

    Example
    -------
    >>> pooling = Mean(8)
    >>> pooling(torch.rand(2, 50, 8), torch.tensor([1.0, 0.5])).shape, pooling.output_size
    (torch.Size([2, 1, 8]), 8)
    """

    def __init__(self, channels):
        super().__init__()
        self.output_size = channels

    def forward(self, frames, lengths=None):
        """Pool utterances.

        Arguments
        ---------
        frames : torch.Tensor
            Shape (batch, time, channels).
        lengths : torch.Tensor, optional
            Relative lengths, shape (batch,): what lies behind an utterance's end is left out.

        Returns
        -------
        torch.Tensor
            Shape (batch, 1, output_size).
        """
        return (speech(frames, lengths) / count(frames, lengths) * frames).sum(1, keepdim=True)


class Statistics(torch.nn.Module):
    """Mean and standard deviation of each channel (Snyder et al., "X-vectors", ICASSP 2018).

    SpeechBrain's StatisticsPooling adds noise to the mean, so that embeddings differ from call to
    call; this one does not.

    Arguments
    ---------
    channels : int

    Example
    -------
    >>> Statistics(8)(torch.rand(2, 50, 8)).shape
    torch.Size([2, 1, 16])
    """

    def __init__(self, channels):
        super().__init__()
        self.output_size = 2 * channels

    def forward(self, frames, lengths=None):
        """Pool utterances; see `Mean`."""
        return statistics(frames, speech(frames, lengths) / count(frames, lengths))


class AttentiveStatistics(torch.nn.Module):
    """Mean and standard deviation, weighted by an attention of each channel over time.

    Okabe et al., "Attentive statistics pooling", Interspeech 2018; with the global context of
    ECAPA-TDNN, as SpeechBrain has it.

    Arguments
    ---------
    channels : int
    attention_channels : int
        Hidden channels of the attention.

    Example
    -------
    >>> AttentiveStatistics(8)(torch.rand(2, 50, 8)).shape
    torch.Size([2, 1, 16])
    """

    def __init__(self, channels, attention_channels=128):
        super().__init__()
        self.output_size = 2 * channels
        self.attention = AttentiveStatisticsPooling(channels, attention_channels)

    def forward(self, frames, lengths=None):
        """Pool utterances; see `Mean`."""
        # SpeechBrain counts a frame that begins before the end, which rounding may move by a
        # little: half a frame less gives the very number of frames.
        lengths = (count(frames, lengths).flatten() - 0.5) / frames.shape[1]
        return self.attention(frames.transpose(1, 2), lengths).transpose(1, 2)


class MultiHeadStatistics(torch.nn.Module):
    """Mean and standard deviation, weighted by an attention of each head over time.

    Each head has its share of the channels and a learnt query (India, Safari and Hernando, "Self
    multi-head attention for speaker recognition", Interspeech 2019); the deviation is added as in
    attentive statistics. It begins as `Statistics` and adds but one parameter a channel, which
    suits little data.

    Arguments
    ---------
    channels : int
    heads : int
        A divisor of `channels`.

    Raises
    ------
    ValueError
        It is none.

    Example
    -------
    >>> MultiHeadStatistics(8)(torch.rand(2, 50, 8)).shape
    torch.Size([2, 1, 16])
    """

    def __init__(self, channels, heads=4):
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels cannot be shared by {heads} heads evenly")
        self.output_size = 2 * channels
        self.queries = torch.nn.Parameter(torch.zeros(heads, channels // heads))

    def forward(self, frames, lengths=None):
        """Pool utterances; see `Mean`."""
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


def make_pooling(name, channels):
    """The pooling of that name, as hparams files have it.

    Arguments
    ---------
    name : str
        A key of POOLINGS.
    channels : int

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    ValueError
        No such pooling.
    """
    if name not in POOLINGS:
        raise ValueError(f"pooling: expected one of {', '.join(POOLINGS)}, found {name!r}")
    return POOLINGS[name](channels)


def count(frames, lengths):
    """Frames of each utterance without its padding, shape (batch, 1, 1)."""
    if lengths is None:
        lengths = torch.ones(len(frames), device=frames.device)
    return (lengths * frames.shape[1]).round().clamp(min=1).reshape(-1, 1, 1)


def speech(frames, lengths):
    """1 for the frames of an utterance, 0 for its padding, shape (batch, time, 1)."""
    return length_to_mask(count(frames, lengths).flatten(), frames.shape[1]).unsqueeze(2)


def statistics(frames, weights):
    """Weighted mean and standard deviation, (batch, 1, 2 * channels); weights sum up to 1."""
    mean = (weights * frames).sum(1, keepdim=True)
    variance = (weights * (frames - mean).square()).sum(1, keepdim=True)
    return torch.cat([mean, variance.clamp(min=MIN_VARIANCE).sqrt()], dim=2)

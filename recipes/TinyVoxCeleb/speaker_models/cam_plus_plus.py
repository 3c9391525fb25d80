"""CAM++: densely connected convolutions over time, masked by their context."""

import torch

from speaker_models.pooling import make_pooling
from speaker_models.resnet import Convolution, ResidualBlock, to_image

BOTTLENECK = 4  # channels of a layer's first convolution, in growths
SEGMENT = 100  # frames of the mask's nearer context


class CamPlusPlus(torch.nn.Module):
    """H. Wang et al., "CAM++: a fast and efficient network for speaker verification using
    context-aware masking", Interspeech 2023 (arXiv 2303.00332).

    Residual blocks over the image of frames and features, of which each halves the frequencies
    only, then three blocks of densely connected layers over time, at half of the frame rate. The
    defaults are the published sizes: 7.2 million parameters at 80 features.
    What works over time begins as in the authors' code: K. He et al., ICCV 2015, normal.

    Arguments
    ---------
    n_features : int
        Number of features a frame.
    front_channels : int
        Of the residual blocks.
    init_channels : int
        With which the dense layers begin.
    growth : int
        Channels that each of them adds.
    blocks : list of int
        Layers of each dense block.
    embedding_size : int
    pooling : str
        A key of `speaker_models.pooling.POOLINGS`.

    Example
    -------
    >>> sizes = {"front_channels": 4, "init_channels": 16, "growth": 8, "blocks": [2, 2, 2]}
    >>> CamPlusPlus(n_features=80, **sizes)(torch.rand(2, 100, 80)).shape
    torch.Size([2, 1, 512])
    """

    def __init__(
        self,
        n_features,
        front_channels=32,
        init_channels=128,
        growth=32,
        blocks=(12, 24, 16),
        embedding_size=512,
        pooling="statistics",
    ):
        super().__init__()
        self.n_features = n_features
        halved = (2, 1)  # of frequencies and frames
        self.front = torch.nn.Sequential(
            Convolution(1, front_channels),
            torch.nn.ReLU(),
            ResidualBlock(front_channels, front_channels, halved),
            ResidualBlock(front_channels, front_channels),
            ResidualBlock(front_channels, front_channels, halved),
            ResidualBlock(front_channels, front_channels),
            Convolution(front_channels, front_channels, stride=halved),
            torch.nn.ReLU(),
        )
        channels = front_channels * -(-n_features // 8)
        layers = [
            convolution(channels, init_channels, kernel_size=5, stride=2),
            *normalized(init_channels),
        ]
        channels = init_channels
        for number, dilation in zip(blocks, (1, 2, 2), strict=True):
            for _ in range(number):
                layers.append(DenseLayer(channels, growth, dilation))
                channels += growth
            layers += [*normalized(channels), convolution(channels, channels // 2)]
            channels //= 2
        self.layers = torch.nn.Sequential(*layers, *normalized(channels))
        self.pooling = make_pooling(pooling, channels)
        self.linear = torch.nn.Linear(self.pooling.output_size, embedding_size, bias=False)
        self.norm = torch.nn.BatchNorm1d(embedding_size, affine=False)
        for module in (*self.layers.modules(), self.linear):
            if isinstance(module, (torch.nn.Conv1d, torch.nn.Linear)):
                torch.nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    torch.nn.init.zeros_(module.bias)

    def forward(self, features, lengths=None):
        """Embed utterances; see `Xvector`."""
        image = self.front(to_image(features))  # (batch, channels, height, frames)
        frames = self.layers(image.flatten(1, 2)).transpose(1, 2)
        embeddings = self.linear(self.pooling(frames, lengths))
        return self.norm(embeddings.squeeze(1)).unsqueeze(1)


class DenseLayer(torch.nn.Module):
    """Adds `growth` channels to its input: a bottleneck, and a convolution masked by its context.

    Arguments
    ---------
    channels, growth : int
    dilation : int
        Of the convolution, in frames.

    Example
    -------
    >>> DenseLayer(16, growth=8, dilation=2)(torch.rand(2, 16, 50)).shape
    torch.Size([2, 24, 50])
    """

    def __init__(self, channels, growth, dilation):
        super().__init__()
        hidden = BOTTLENECK * growth
        self.bottleneck = torch.nn.Sequential(
            *normalized(channels), convolution(channels, hidden), *normalized(hidden)
        )
        self.local = convolution(hidden, growth, kernel_size=3, dilation=dilation)
        self.mask = torch.nn.Sequential(
            torch.nn.Conv1d(hidden, hidden // 2, 1),
            torch.nn.ReLU(),
            torch.nn.Conv1d(hidden // 2, growth, 1),
            torch.nn.Sigmoid(),
        )

    def forward(self, frames):
        """From (batch, channels, time) to (batch, channels + growth, time)."""
        hidden = self.bottleneck(frames)
        masked = self.local(hidden) * self.mask(context(hidden))
        return torch.cat([frames, masked], dim=1)


def context(frames):
    """Of each frame, the mean of all plus that of its segment, (batch, channels, time).

    Section 2.3 of the paper ("multi-granularity pooling").

    Example
    -------
    >>> context(torch.arange(102.0).reshape(1, 1, 102))[0, 0, [0, 99, 100, 101]].round()
    tensor([100., 100., 151., 151.])
    """
    # The last segment is the mean of what it has.
    segments = torch.nn.functional.avg_pool1d(frames, SEGMENT, ceil_mode=True)
    segments = segments.repeat_interleave(SEGMENT, dim=2)[:, :, : frames.shape[2]]
    return frames.mean(2, keepdim=True) + segments


def normalized(channels):
    """Batch normalisation and ReLU."""
    return torch.nn.BatchNorm1d(channels), torch.nn.ReLU()


def convolution(in_channels, out_channels, kernel_size=1, stride=1, dilation=1):
    """A convolution over time that keeps its length but for the stride."""
    padding = kernel_size // 2 * dilation
    return torch.nn.Conv1d(
        in_channels, out_channels, kernel_size, stride, padding, dilation, bias=False
    )

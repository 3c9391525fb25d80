"""CAM++: densely connected convolutions over time, masked by their context."""

from collections.abc import Sequence

import torch
from torch import Tensor

from speaker_models.pooling import make_pooling
from speaker_models.resnet import Convolution, ResidualBlock, to_image

BOTTLENECK = 4  # channels of a dense layer's first convolution, as a multiple of its growth
DILATIONS = (1, 2, 2)  # of the layers of each dense block, in frames
SEGMENT = 100  # frames of the mask's nearer context


class CamPlusPlus(torch.nn.Module):
    """H. Wang et al., "CAM++: a fast and efficient network for speaker verification using
    context-aware masking", Interspeech 2023 (arXiv 2303.00332).

    Residual blocks over the image of frames and features, which leave an eighth of the frequencies
    and all frames; then three blocks of densely connected layers over time, at half the frame rate.
    The defaults are the published sizes: 7.2 million parameters at 80 features. The parameters of
    what works over time begin as in the authors' code: K. He et al., ICCV 2015, normal.

    Arguments
    ---------
    front_channels : int
        Channels of the residual blocks.
    init_channels : int
        Channels with which the dense layers begin.
    growth : int
        Channels that each dense layer adds.
    blocks : list of int
        Layers of each of the three dense blocks.
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
        *,
        n_features: int,
        front_channels: int = 32,
        init_channels: int = 128,
        growth: int = 32,
        blocks: Sequence[int] = (12, 24, 16),
        embedding_size: int = 512,
        pooling: str = "statistics",
    ):
        super().__init__()
        if len(blocks) != len(DILATIONS):
            raise ValueError(f"blocks {blocks}: expected the layers of {len(DILATIONS)} blocks")
        self.n_features = n_features
        halved = (2, 1)  # frequencies, not frames
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
        for number, dilation in zip(blocks, DILATIONS, strict=True):
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

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Embed utterances; see the package for the shapes."""
        image = self.front(to_image(features))  # (batch, channels, height, frames)
        frames = self.layers(image.flatten(1, 2)).transpose(1, 2)
        embeddings = self.linear(self.pooling(frames, lengths))
        return self.norm(embeddings.squeeze(1)).unsqueeze(1)


class DenseLayer(torch.nn.Module):
    """Adds `growth` channels to its input: a bottleneck, and a convolution masked by its context.

    The convolution's `dilation` is in frames.
    """

    def __init__(self, channels: int, growth: int, dilation: int):
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

    def forward(self, frames: Tensor) -> Tensor:
        """From (batch, channels, time) to (batch, channels + growth, time)."""
        hidden = self.bottleneck(frames)
        masked = self.local(hidden) * self.mask(context(hidden))
        return torch.cat([frames, masked], dim=1)


def context(frames: Tensor) -> Tensor:
    """The mean of all frames plus that of a frame's segment, for each frame of (batch, channels,
    time); the last segment may be shorter. Section 2.3 of the paper ("multi-granularity pooling").

    Example
    -------
    >>> context(torch.arange(102.0).reshape(1, 1, 102))[0, 0, [0, 99, 100, 101]].round()
    tensor([100., 100., 151., 151.])
    """
    segments = torch.nn.functional.avg_pool1d(frames, SEGMENT, ceil_mode=True)
    segments = segments.repeat_interleave(SEGMENT, dim=2)[:, :, : frames.shape[2]]
    return frames.mean(2, keepdim=True) + segments


def normalized(channels: int) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Batch normalisation and ReLU."""
    return torch.nn.BatchNorm1d(channels), torch.nn.ReLU()


def convolution(
    in_channels: int, out_channels: int, kernel_size: int = 1, stride: int = 1, dilation: int = 1
) -> torch.nn.Conv1d:
    """A convolution over time that keeps its length, divided by the stride."""
    padding = kernel_size // 2 * dilation
    return torch.nn.Conv1d(
        in_channels, out_channels, kernel_size, stride, padding, dilation, bias=False
    )

"""Residual network over the image of frames and features, of the sizes 10, 18 and 34."""

from collections.abc import Sequence

import torch
from torch import Tensor

from speaker_models.pooling import make_pooling


class ResNet(torch.nn.Module):
    """K. He et al., CVPR 2016, as H. Zeinali et al. (arXiv 1910.12592) use it for speakers.

    The image is halved in both directions by each group of blocks but the first, while its channels
    double. What is left of the frequencies goes into the pooling over time as channels.

    SpeechBrain's ResNet has squeeze-and-excitation and an attention of its own.

    Arguments
    ---------
    base_channels : int
        Channels of the first group of blocks.
    blocks : list of int
        Blocks of each group: [1, 1, 1, 1] for ResNet10, [2, 2, 2, 2] for 18, [3, 4, 6, 3] for 34.
    pooling : str
        A key of `speaker_models.pooling.POOLINGS`.
    stem_stride : int
        2 halves the image before the first group: where time is short, twice the channels then
        take half of it.

    Example
    -------
    >>> ResNet(n_features=80, base_channels=8, embedding_size=64)(torch.rand(2, 100, 80)).shape
    torch.Size([2, 1, 64])
    """

    def __init__(
        self,
        *,
        n_features: int,
        base_channels: int = 32,
        blocks: Sequence[int] = (3, 4, 6, 3),
        embedding_size: int = 256,
        pooling: str = "statistics",
        stem_stride: int = 1,
    ):
        super().__init__()
        self.n_features = n_features
        layers = [Convolution(1, base_channels, stride=stem_stride), torch.nn.ReLU()]
        channels, height = base_channels, -(-n_features // stem_stride)
        for group, number in enumerate(blocks):
            for block in range(number):
                stride = 2 if group > 0 and block == 0 else 1
                layers.append(ResidualBlock(channels, base_channels << group, stride))
                channels, height = base_channels << group, -(-height // stride)
        self.layers = torch.nn.Sequential(*layers)
        self.pooling = make_pooling(pooling, channels * height)
        self.linear = torch.nn.Linear(self.pooling.output_size, embedding_size)
        self.norm = torch.nn.BatchNorm1d(embedding_size)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Embed utterances; see the package for the shapes."""
        image = self.layers(to_image(features))
        pooled = self.pooling(image.flatten(1, 2).transpose(1, 2), lengths)
        return self.norm(self.linear(pooled).squeeze(1)).unsqueeze(1)


def to_image(features: Tensor) -> Tensor:
    """From features (batch, frames, n_features) to an image (batch, 1, n_features, frames).

    Its channels lie together in memory, and so do those that convolutions make of them: on a CPU,
    training takes two thirds of the time.
    """
    image = features.transpose(1, 2).unsqueeze(1)
    return image.contiguous(memory_format=torch.channels_last)


class ResidualBlock(torch.nn.Module):
    """Two convolutions whose output is added to their input; a third fits the input where needed.

    Example
    -------
    >>> ResidualBlock(1, 8, stride=(2, 1))(torch.rand(2, 1, 80, 100)).shape
    torch.Size([2, 8, 40, 100])
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int | tuple[int, int] = 1):
        super().__init__()
        self.first = Convolution(in_channels, out_channels, stride=stride)
        self.second = Convolution(out_channels, out_channels)
        self.shortcut = torch.nn.Identity()
        if in_channels != out_channels or stride != 1:
            # In all what a convolution of 1 x 1 with this stride is, whose gradient writes beyond
            # its memory on CPUs where few channels lie together (uxlfoundation/oneDNN#6035).
            skipping = torch.nn.MaxPool2d(kernel_size=1, stride=stride)
            fitting = Convolution(in_channels, out_channels, kernel_size=1)
            self.shortcut = torch.nn.Sequential(skipping, fitting)

    def forward(self, image: Tensor) -> Tensor:
        """From (batch, in_channels, height, width) to (batch, out_channels, ...)."""
        return (self.second(self.first(image).relu()) + self.shortcut(image)).relu()


class Convolution(torch.nn.Sequential):
    """Convolution and batch normalisation of an image, the size of which the stride divides.

    Example
    -------
    >>> Convolution(1, 8, stride=2)(torch.rand(2, 1, 80, 100)).shape
    torch.Size([2, 8, 40, 50])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int | tuple[int, int] = 1,
    ):
        padding = kernel_size // 2
        super().__init__(
            torch.nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=False),
            torch.nn.BatchNorm2d(out_channels),
        )

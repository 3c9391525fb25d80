"""Residual network over the image of frames and features, of the sizes 10, 18 and 34."""

import torch

from speaker_models.pooling import make_pooling


class ResNet(torch.nn.Module):
    """K. He et al., CVPR 2016, as H. Zeinali et al. (arXiv 1910.12592) use it for speakers.

    The image is halved in both directions by each stage but the first, while its channels double.
    What is left of the frequencies goes into the pooling over time as channels.

    SpeechBrain's ResNet has squeeze-and-excitation and an attention of its own.

    Arguments
    ---------
    n_features : int
        Number of features a frame.
    base_channels : int
        Of the first stage.
    blocks : list of int
        Of each stage: [1, 1, 1, 1] for ResNet10, [2, 2, 2, 2] for 18, [3, 4, 6, 3] for 34.
    embedding_size : int
    pooling : str
        A key of `speaker_models.pooling.POOLINGS`.
    stem_stride : int
        2 halves the image before the first stage: where time is short, twice the channels then
        take half of it.

    Example
    -------
    >>> ResNet(n_features=80, base_channels=8, embedding_size=64)(torch.rand(2, 100, 80)).shape
    torch.Size([2, 1, 64])
    """

    def __init__(
        self,
        n_features,
        base_channels=32,
        blocks=(3, 4, 6, 3),
        embedding_size=256,
        pooling="statistics",
        stem_stride=1,
    ):
        super().__init__()
        self.n_features = n_features
        layers = [Convolution(1, base_channels, stride=stem_stride), torch.nn.ReLU()]
        channels, height = base_channels, -(-n_features // stem_stride)
        for stage, number in enumerate(blocks):
            for block in range(number):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(ResidualBlock(channels, base_channels << stage, stride))
                channels, height = base_channels << stage, -(-height // stride)
        self.layers = torch.nn.Sequential(*layers)
        self.pooling = make_pooling(pooling, channels * height)
        self.linear = torch.nn.Linear(self.pooling.output_size, embedding_size)
        self.norm = torch.nn.BatchNorm1d(embedding_size)

    def forward(self, features, lengths=None):
        """Embed utterances; see `Xvector`."""
        image = self.layers(to_image(features))
        pooled = self.pooling(image.flatten(1, 2).transpose(1, 2), lengths)
        return self.norm(self.linear(pooled).squeeze(1)).unsqueeze(1)


def to_image(features):
    """From features (batch, frames, n_features) to an image (batch, 1, n_features, frames).

    Its channels lie together in memory, and so do those that convolutions make of them: on a CPU,
    training takes two thirds of the time.
    """
    image = features.transpose(1, 2).unsqueeze(1)
    return image.contiguous(memory_format=torch.channels_last)


class ResidualBlock(torch.nn.Module):
    """Two convolutions around which the input goes as well, fitted by a third where it has to be.

    Arguments
    ---------
    in_channels, out_channels : int
    stride : int or (int, int)

    Example
    -------
    >>> ResidualBlock(1, 8, stride=(2, 1))(torch.rand(2, 1, 80, 100)).shape
    torch.Size([2, 8, 40, 100])
    """

    def __init__(self, in_channels, out_channels, stride=1):
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

    def forward(self, image):
        """From (batch, in_channels, height, width) to (batch, out_channels, ...)."""
        return (self.second(self.first(image).relu()) + self.shortcut(image)).relu()


class Convolution(torch.nn.Sequential):
    """Convolution of an image that keeps its size but for the stride, and batch normalisation.

    Arguments
    ---------
    in_channels, out_channels, kernel_size : int
    stride : int or (int, int)

    Example
    -------
    >>> Convolution(1, 8, stride=2)(torch.rand(2, 1, 80, 100)).shape
    torch.Size([2, 8, 40, 50])
    """

    def __init__(self, in_channels, out_channels, kernel_size=3, stride=1):
        super().__init__(
            torch.nn.Conv2d(
                in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False
            ),
            torch.nn.BatchNorm2d(out_channels),
        )

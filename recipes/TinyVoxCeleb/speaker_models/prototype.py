"""The prototype network of tiny-voxceleb: one convolution, a mean over time, one linear layer."""

import torch
from speechbrain.dataio.dataio import length_to_mask
from torch import Tensor


class Prototype(torch.nn.Module):
    """Convolution over time, ReLU and mean over time: the embedding network of the prototype.

    The size of an embedding is the number of filters; `kernel_size` is their width in frames.

    Example
    -------
    >>> Prototype(n_features=40, embedding_size=128)(torch.rand(2, 241, 40)).shape
    torch.Size([2, 1, 128])
    """

    def __init__(self, *, n_features: int = 40, embedding_size: int = 128, kernel_size: int = 3):
        super().__init__()
        self.convolution = torch.nn.Conv1d(n_features, embedding_size, kernel_size)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Embed utterances of `kernel_size` frames or more; see the package for the shapes."""
        # An image one line high, in which the values of a frame lie together in memory as they do
        # in `features`: Conv1d would move them apart, which takes two thirds longer on a CPU.
        line = features.transpose(1, 2).unsqueeze(2)
        kernel, bias = self.convolution.weight.unsqueeze(2), self.convolution.bias
        hidden = torch.nn.functional.conv2d(line, kernel, bias).relu()
        hidden = hidden.squeeze(2).transpose(1, 2)  # (batch, frames, embedding_size)
        if lengths is None:
            return hidden.mean(dim=1, keepdim=True)
        lost = features.shape[1] - hidden.shape[1]
        frames = (lengths * features.shape[1]).round() - lost
        mask = length_to_mask(frames.clamp(min=1), max_len=hidden.shape[1], dtype=hidden.dtype)
        mask = mask / mask.sum(dim=1, keepdim=True)
        return mask.unsqueeze(1) @ hidden


class PrototypeClassifier(torch.nn.Module):
    """Linear and LogSoftmax: from embeddings to log probabilities of the training speakers.

    Example
    -------
    >>> PrototypeClassifier(input_size=128, out_neurons=100)(torch.rand(2, 1, 128)).shape
    torch.Size([2, 1, 100])
    """

    def __init__(self, *, input_size: int, out_neurons: int):
        super().__init__()
        self.linear = torch.nn.Linear(input_size, out_neurons)

    def forward(self, embeddings: Tensor) -> Tensor:
        """From embeddings (batch, 1, input_size) to log probabilities (batch, 1, out_neurons)."""
        return torch.log_softmax(self.linear(embeddings), dim=-1)

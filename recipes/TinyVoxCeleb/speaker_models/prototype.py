"""The prototype network of tiny-voxceleb: one convolution, a mean over time, one linear layer."""

import torch
from speechbrain.dataio.dataio import length_to_mask


class Prototype(torch.nn.Module):
    """Conv1d, ReLU and mean over time: the embedding network of the prototype.

    Arguments
    ---------
    n_features : int
        Number of features a frame.
    embedding_size : int
        Number of filters, and so the size of the embedding.
    kernel_size : int
        Width of the filters, in frames.

    Example
    -------
    >>> Prototype(n_features=40, embedding_size=128)(torch.rand(2, 241, 40)).shape
    torch.Size([2, 1, 128])
    """

    def __init__(self, n_features=40, embedding_size=128, kernel_size=3):
        super().__init__()
        self.convolution = torch.nn.Conv1d(n_features, embedding_size, kernel_size)

    def forward(self, features, lengths=None):
        """Embed utterances.

        Arguments
        ---------
        features : torch.Tensor
            Shape (batch, frames, n_features), at least `kernel_size` frames.
        lengths : torch.Tensor, optional
            Relative lengths, shape (batch,): frames behind an utterance's end are left out.

        Returns
        -------
        torch.Tensor
            Shape (batch, 1, embedding_size).
        """
        # As an image of one line whose channels lie together in memory, as they do in `features`:
        # on a CPU this takes half the time of Conv1d, which puts them apart.
        together = {"memory_format": torch.channels_last}
        line = features.transpose(1, 2).unsqueeze(2).contiguous(**together)
        kernel = self.convolution.weight.unsqueeze(2).contiguous(**together)
        hidden = torch.nn.functional.conv2d(line, kernel, self.convolution.bias).relu_()
        hidden = hidden.squeeze(2).transpose(1, 2)  # (batch, frames, size)
        if lengths is None:
            return hidden.mean(dim=1, keepdim=True)
        lost = features.shape[1] - hidden.shape[1]
        frames = (lengths * features.shape[1]).round() - lost
        mask = length_to_mask(frames.clamp(min=1), max_len=hidden.shape[1], dtype=hidden.dtype)
        mask = mask / mask.sum(dim=1, keepdim=True)
        return torch.bmm(mask.unsqueeze(1), hidden)


class PrototypeClassifier(torch.nn.Module):
    """Linear and LogSoftmax: from an embedding to log probabilities of the training speakers.

    Arguments
    ---------
    input_size : int
        Size of the embedding.
    out_neurons : int
        Number of training speakers.

    Example
    -------
    >>> PrototypeClassifier(128, 100)(torch.rand(2, 1, 128)).shape
    torch.Size([2, 1, 100])
    """

    def __init__(self, input_size, out_neurons):
        super().__init__()
        self.linear = torch.nn.Linear(input_size, out_neurons)

    def forward(self, embeddings):
        """Map embeddings (batch, 1, input_size) to log probabilities (batch, 1, out_neurons)."""
        return torch.log_softmax(self.linear(embeddings), dim=-1)

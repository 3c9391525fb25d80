"""The prototype in plain torch, which the recipe's is compared with."""

import torch
import torchaudio

from local.dataset import Batch


class PlainPrototype(torch.nn.Module):
    """The network of the format description, written in plain torch, one utterance at a time."""

    def __init__(self, n_speakers):
        super().__init__()
        self.embedding = torch.nn.Sequential(torch.nn.Conv1d(40, 128, 3), torch.nn.ReLU())
        self.prediction = torch.nn.Sequential(
            torch.nn.Linear(128, n_speakers), torch.nn.LogSoftmax(dim=1)
        )

    def forward(self, wavs):
        mfcc = torchaudio.transforms.MFCC(n_mfcc=40)
        features = torch.stack([mfcc(wav) for wav in wavs])
        return self.prediction(self.embedding(features).mean(dim=2))


def random_batches(count, size=8, classes=6):
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        # Loud and quiet utterances in one batch.
        level = torch.rand(size, 1, generator=generator) ** 4
        signals = (torch.rand(size, 48000, generator=generator) - 0.5) * level
        labels = torch.randint(0, classes, (size,), generator=generator)
        yield Batch([f"a/x/{number}" for number in range(size)], signals, labels)


class Scale(torch.nn.Module):
    """A normalisation of features with a parameter, a number that they are multiplied by."""

    def __init__(self):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.ones(()))

    def forward(self, features, lengths):
        return features * self.factor

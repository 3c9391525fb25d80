"""A trained network as one module from waveforms to embeddings, made of what exporters know."""

import copy

import torch
from torch import Tensor

from local.bundle.export.features import exportable_features
from local.errors import RecipeError


class WaveformNetwork(torch.nn.Module):
    """Features, normalisation and network of a bundle, for waveforms of one length.

    It is composed of a copy; the network itself stays as it is, and so does its training.

    Arguments
    ---------
    encoder : EncoderClassifier
        From `local.bundle.load_encoder`, on the CPU.

    Raises
    ------
    RecipeError
        See `exportable_features`; features that are normalised in another way than by sentence.
    """

    def __init__(self, encoder):
        super().__init__()
        modules = copy.deepcopy(encoder.mods)
        self.features = exportable_features(modules.compute_features)
        self.normalization = _normalization(modules.mean_var_norm)
        self.network = modules.embedding_model
        self.eval()

    def forward(self, waveforms: Tensor) -> Tensor:
        """From waveforms (batch, time), 16 kHz, to embeddings (batch, embedding_size)."""
        # Without lengths, there is no padding: as one group of ByLength.
        return self.network(self.normalization(self.features(waveforms)))[:, 0]


class SentenceNormalization(torch.nn.Module):
    """SpeechBrain's InputNormalization by sentence, without padding."""

    def __init__(self, *, std_norm: bool, epsilon: float):
        super().__init__()
        self.std_norm, self.epsilon = std_norm, epsilon

    def forward(self, features: Tensor) -> Tensor:
        """Features (batch, frames, features) around the mean of each of them."""
        centred = features - features.mean(1, keepdim=True)
        if not self.std_norm:
            return centred
        deviation = centred.square().mean(1, keepdim=True).sqrt()
        return centred / deviation.clamp(min=self.epsilon)


class _Fixed(torch.nn.Module):
    """The mean and the deviation of InputNormalization by global statistics."""

    def __init__(self, mean, deviation):
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)

    def forward(self, features):
        return (features - self.mean) / self.deviation


def _normalization(module):
    kind = getattr(module, "norm_type", None)
    if kind == "sentence":
        return SentenceNormalization(std_norm=module.std_norm, epsilon=module.epsilon)
    if kind == "global":
        deviation = module.glob_std.clamp(min=module.epsilon) if module.std_norm else torch.ones(())
        return _Fixed(module.glob_mean, deviation)
    if kind is None:  # NoNormalization, or another module without statistics of its own
        return module
    raise RecipeError(
        f"mean_var_norm: norm_type {kind} cannot be exported, as an embedding then depends on the "
        "others of its batch: train with sentence"
    )

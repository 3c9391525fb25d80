"""A network in the form that sherpa-onnx loads, on phones and elsewhere, which brings its features.

That is Kaldi's 80 filter banks: see speaker_models/kaldi_fbank.py and hparams/phone.yaml.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv1d

PHONE = "speaker.sherpa.onnx"
HOP, BEFORE, AFTER = 160, 120, 200  # audio samples, which Kaldi and so sherpa-onnx prescribe


def is_kaldis(features: torch.nn.Module) -> bool:
    """Whether these are the features that sherpa-onnx computes."""
    return type(features).__name__ == "KaldiFbank"  # of the copy of the code in the bundle


class KaldiBands(torch.nn.Module):
    """KaldiFbank in evaluation, all that is linear in it as one convolution."""

    def __init__(self, features: torch.nn.Module):
        super().__init__()
        size = len(features.window)
        spectra = features.spectra(torch.eye(size)).T  # what it makes of each sample of a frame
        waves = torch.cat([spectra.real, spectra.imag])
        self.register_buffer("waves", waves.float().unsqueeze(1))
        self.register_buffer("bank", features.banks[0])

    def forward(self, wavs: Tensor) -> Tensor:
        """From waveforms (batch, time) to features (batch, frames, 80)."""
        ends = wavs[:, :BEFORE].flip(1), wavs[:, -AFTER:].flip(1)
        padded = torch.cat([ends[0], wavs, ends[1]], dim=1).unsqueeze(1)
        real, imaginary = conv1d(padded, self.waves, stride=HOP).chunk(2, dim=1)
        power = (real.square() + imaginary.square()).transpose(1, 2)
        return (power @ self.bank).clamp(min=torch.finfo(torch.float32).eps).log()


class PhoneNetwork(torch.nn.Module):
    """The part of a WaveformNetwork behind the features, which the phone computes."""

    def __init__(self, network):
        super().__init__()
        self.normalization, self.network = network.normalization, network.network

    def forward(self, features: Tensor) -> Tensor:
        """From features (batch, frames, 80) to embeddings (batch, dimension)."""
        return self.network(self.normalization(features))[:, 0]


def phone_metadata(about: dict[str, str]) -> dict[str, str]:
    """The metadata by which sherpa-onnx loads a network, beside our own.

    It knows the networks of WeSpeaker, which get samples as whole numbers, as ours does.
    """
    return about | {
        "framework": "wespeaker",
        "sample_rate": about["sampling_rate"],
        "output_dim": about["dimension"],
        "normalize_samples": "0",
        "language": "any",
    }


def phone_inputs(encoder):
    """What makes of signals (batch, time) that which a PhoneNetwork gets."""

    @torch.inference_mode()
    def features(signals: np.ndarray) -> np.ndarray:
        return encoder.mods.compute_features(torch.from_numpy(signals)).numpy()

    return features

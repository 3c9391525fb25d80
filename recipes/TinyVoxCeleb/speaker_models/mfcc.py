"""MFCC as the tiny-voxceleb skeleton computes them."""

import warnings

import torch
import torchaudio
from speechbrain.utils.autocast import fwd_default_precision
from torch import Tensor


class Mfcc(torch.nn.Module):
    """Mel-frequency cepstral coefficients with torchaudio's defaults.

    The published results of the prototype rest on these: windows of 25 ms every 12.5 ms, 128 mel
    bands, decibels with a floor 80 dB below the maximum of the utterance. The features of a batch
    equal those of its utterances one by one to the last bit.

    Example
    -------
    >>> Mfcc(n_mfcc=40)(torch.rand(2, 48000)).shape
    torch.Size([2, 241, 40])
    """

    def __init__(self, *, n_mfcc: int = 40, sample_rate: int = 16000):
        super().__init__()
        with warnings.catch_warnings():
            # 128 bands over 201 frequencies leave some of the lowest bands empty: as published.
            warnings.filterwarnings("ignore", message="At least one mel filterbank")
            self.transform = torchaudio.transforms.MFCC(sample_rate=sample_rate, n_mfcc=n_mfcc)
        self.transform.MelSpectrogram.spectrogram.power = None  # complex; see `forward`

    @fwd_default_precision(cast_inputs=torch.float32)
    def forward(self, wavs: Tensor) -> Tensor:
        """From waveforms (batch, time) to features (batch, frames, n_mfcc)."""
        mel = self.transform.MelSpectrogram
        # An axis of channels, as torchaudio takes the maximum of a (batch, time) input over all.
        spectra = mel.spectrogram(wavs.unsqueeze(1))
        # torchaudio takes the root of this and squares it again, in a fifth of its time.
        power = spectra.real.square() + spectra.imag.square()
        decibels = self.transform.amplitude_to_DB(mel.mel_scale(power)).squeeze(1)
        return decibels.transpose(1, 2) @ self.transform.dct_mat

"""MFCC as the tiny-voxceleb skeleton computes them.

Authors
 * The TinyVoxCeleb authors 2026
"""

import warnings

import torch
import torchaudio
from speechbrain.utils.autocast import fwd_default_precision


class Mfcc(torch.nn.Module):
    """Mel-frequency cepstral coefficients with torchaudio's defaults, for a whole batch at once.

    The published results of the prototype rest on these defaults: windows of 25 ms every 12.5 ms,
    128 mel bands, decibels with a floor 80 dB below the maximum. torchaudio takes that maximum
    over all of a (batch, time) input; here it is each utterance's own, as in the skeleton, so that
    features do not depend on the company in the batch.

    Arguments
    ---------
    n_mfcc : int
        Number of coefficients.
    sample_rate : int
        In Hz.

    Example
    -------
    >>> Mfcc(n_mfcc=40)(torch.rand(2, 48000)).shape
    torch.Size([2, 241, 40])
    """

    def __init__(self, n_mfcc=40, sample_rate=16000):
        super().__init__()
        with warnings.catch_warnings():
            # 128 bands over 201 frequencies leave some of the lowest bands empty: as published.
            warnings.filterwarnings("ignore", message="At least one mel filterbank")
            self.transform = torchaudio.transforms.MFCC(sample_rate=sample_rate, n_mfcc=n_mfcc)

    @fwd_default_precision(cast_inputs=torch.float32)
    def forward(self, wavs):
        """Compute the features.

        Arguments
        ---------
        wavs : torch.Tensor
            Waveforms, shape (batch, time).

        Returns
        -------
        torch.Tensor
            Shape (batch, frames, n_mfcc).
        """
        features = self.transform(wavs.unsqueeze(1))  # (batch, 1, n_mfcc, frames)
        return features.squeeze(1).transpose(1, 2)

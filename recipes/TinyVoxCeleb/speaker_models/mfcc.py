"""MFCC as the tiny-voxceleb skeleton computes them."""

import warnings

import torch
import torchaudio
from speechbrain.utils.autocast import fwd_default_precision

SAMPLES_A_THREAD = 8 * 48000  # audio whose features a CPU computes together


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
        # On a CPU, a few utterances at a time stay in its cache from one operation to the next.
        at_once = len(wavs)
        if not wavs.is_cuda:
            at_once = max(1, SAMPLES_A_THREAD * torch.get_num_threads() // wavs.shape[1])
        return torch.cat([self._compute(some) for some in wavs.split(at_once)])

    def _compute(self, wavs):
        """What `self.transform` computes of each utterance, in fewer passes over the memory."""
        mel = self.transform.MelSpectrogram
        fft = mel.spectrogram
        margin = fft.n_fft // 2  # which is reflected at both ends
        before, after = wavs[:, 1 : margin + 1].flip(1), wavs[:, -margin - 1 : -1].flip(1)
        padded = torch.cat([before, wavs, after], dim=1)
        frames = padded.unfold(1, fft.n_fft, fft.hop_length) * fft.window
        squares = torch.view_as_real(torch.fft.rfft(frames)).square()
        bands = (squares[..., 0] + squares[..., 1]) @ mel.mel_scale.fb  # (batch, frames, bands)
        decibels = 10 * bands.clamp(min=1e-10).log10()
        floor = decibels.amax(dim=(1, 2), keepdim=True) - self.transform.top_db
        return torch.maximum(decibels, floor) @ self.transform.dct_mat

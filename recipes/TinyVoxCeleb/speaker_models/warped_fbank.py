"""Log mel filter banks whose frequency axis may be warped: the voice of another vocal tract."""

from collections.abc import Sequence

import numpy as np
import torch
from speechbrain.lobes.features import Fbank
from speechbrain.processing.features import Filterbank, spectral_magnitude
from speechbrain.utils.autocast import fwd_default_precision
from torch import Tensor

KNEE = 0.8125  # of the highest frequency: what is below it is stretched, what is above makes room


class WarpedFbank(Fbank):
    """SpeechBrain's Fbank, which can hear a voice as others.

    A factor above 1 moves formants and pitch up, as a shorter vocal tract does. It costs no time:
    it is the filters that lie elsewhere. Sources: N. Jaitly, G. Hinton, "Vocal tract length
    perturbation (VTLP) improves speech recognition", 2013; for new speakers arXiv 2406.07421.

    Arguments
    ---------
    warps : list of float
        The factors of the frequency axis, each of which is a voice; 1.0 is the voice itself.
    **options
        Those of Fbank.

    Example
    -------
    >>> fbank = WarpedFbank(warps=[1.0, 0.9], n_mels=80)
    >>> fbank(torch.rand(2, 16000), torch.tensor([0, 1])).shape  # in training, one voice
    torch.Size([2, 101, 80])
    >>> fbank.eval()(torch.rand(2, 16000)).shape  # all of them, side by side
    torch.Size([2, 101, 160])
    """

    def __init__(self, *, warps: Sequence[float] = (1.0,), **options):
        super().__init__(**options)
        self.warped_fbanks = torch.nn.ModuleList(map(self._warped, warps))

    @fwd_default_precision(cast_inputs=torch.float32)
    def forward(self, wav: Tensor, warps: Tensor | None = None) -> Tensor:
        """From waveforms (batch, time) to features (batch, frames, n_mels).

        In training mode `warps` has the number of each crop's voice, shape (batch,); without, it is
        the voice itself. In evaluation the features of all voices lie side by side, so that there
        are as many times n_mels.
        """
        power = spectral_magnitude(self.compute_STFT(wav))
        if not self.training:
            return torch.cat([fbank(power) for fbank in self.warped_fbanks], dim=2)
        if warps is None:
            return self.compute_fbanks(power)
        features = power.new_empty(*power.shape[:2], self.compute_fbanks.n_mels)
        for number, fbank in enumerate(self.warped_fbanks):
            rows = (warps == number).nonzero().squeeze(1)
            if len(rows):
                features[rows] = fbank(power[rows])
        return features

    def _warped(self, factor):
        """The filters that hear at each frequency what was at another."""
        plain = self.compute_fbanks
        bank = Filterbank(n_mels=plain.n_mels, n_fft=plain.n_fft, sample_rate=plain.sample_rate)
        lower = unwarped(bank.f_central - bank.band, factor, bank.f_max)
        bank.f_central = unwarped(bank.f_central, factor, bank.f_max)
        bank.band = bank.f_central - lower
        return bank


def unwarped(frequencies: Tensor, factor: float, highest: float) -> Tensor:
    """Where frequencies were before the axis was stretched by a factor; the highest stays.

    Example
    -------
    >>> unwarped(torch.tensor([0.0, 1200.0, 8000.0]), 1.2, 8000.0)
    tensor([   0., 1000., 8000.])
    """
    knee = KNEE * highest * min(1.0, factor)
    moved = np.interp(frequencies.numpy(), [0, knee, highest], [0, knee / factor, highest])
    return torch.from_numpy(moved).float()

"""Kaldi's log mel filter banks, as sherpa-onnx computes them on phones."""

from collections.abc import Sequence

import torch
from speechbrain.utils.autocast import fwd_default_precision
from torch import Tensor
from torchaudio.compliance.kaldi import get_mel_banks

FRAME, HOP, N_FFT = 400, 160, 512  # audio samples at 16 kHz
BEFORE, AFTER = 120, 200  # samples that are reflected at the ends: frames lie around their middles
FULL_SCALE = 32768.0  # Kaldi's samples are whole numbers
PREEMPHASIS = 0.97
LOW, HIGH = 20.0, -400.0  # Hz; the second is counted from the highest frequency
WARP_LOW, WARP_HIGH = 100.0, -500.0  # Hz, between which an axis is stretched evenly: Kaldi's
LEAST = torch.finfo(torch.float32).eps  # power below which a band counts as silent


class KaldiFbank(torch.nn.Module):
    """Kaldi's filter banks of 25 ms every 10 ms, without dither, of a whole batch at once.

    D. Povey et al., "The Kaldi speech recognition toolkit", ASRU 2011. Options are those of
    sherpa-onnx: povey window, snip_edges off, 20 to 7,600 Hz.

    In training, the frequency axis may be warped, which makes other voices as in
    `speaker_models.warped_fbank`: L. Lee, R. Rose, "A frequency warping approach to speaker
    normalization", IEEE Transactions on Speech and Audio Processing 6(1), 1998, as Kaldi has it.

    Arguments
    ---------
    warps : list of float
        The factors of the frequency axis; the first is 1.0, which alone is heard in evaluation.

    Example
    -------
    >>> fbank = KaldiFbank(warps=[1.0, 0.9])
    >>> fbank(torch.rand(2, 16000), torch.tensor([0, 1])).shape
    torch.Size([2, 100, 80])
    """

    def __init__(
        self, *, n_mels: int = 80, sample_rate: int = 16000, warps: Sequence[float] = (1,)
    ):
        super().__init__()
        if warps[0] != 1:
            raise ValueError(f"warps {warps}: expected 1.0 first")
        window = torch.hann_window(FRAME, periodic=False, dtype=torch.float64) ** 0.85  # povey
        self.register_buffer("window", window.float(), persistent=False)
        edges = (LOW, HIGH, WARP_LOW, WARP_HIGH)
        banks = [
            get_mel_banks(n_mels, N_FFT, sample_rate, *edges, float(warp))[0] for warp in warps
        ]
        # Kaldi's filters leave the last frequency out.
        banks = torch.nn.functional.pad(torch.stack(banks).transpose(1, 2), (0, 0, 0, 1))
        self.register_buffer("banks", banks, persistent=False)

    @fwd_default_precision(cast_inputs=torch.float32)
    def forward(self, wavs: Tensor, warps: Tensor | None = None) -> Tensor:
        """From waveforms (batch, time) to features (batch, frames, n_mels).

        In training mode `warps` has the number of each crop's voice, shape (batch,).
        """
        spectra = self.spectra(padded(wavs).unfold(1, FRAME, HOP))
        power = spectra.real.square() + spectra.imag.square()
        banks = self.banks[0] if warps is None or not self.training else self.banks[warps]
        return (power @ banks).clamp(min=LEAST).log()

    def spectra(self, frames: Tensor) -> Tensor:
        """From frames (..., 400) to complex numbers (..., 257): all that is linear in the audio."""
        frames = frames * FULL_SCALE
        frames = frames - frames.mean(-1, keepdim=True)
        before = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
        return torch.fft.rfft((frames - PREEMPHASIS * before) * self.window, N_FFT)


def padded(wavs: Tensor) -> Tensor:
    """Waveforms (batch, time) whose ends are reflected, the last sample too, as Kaldi does it."""
    return torch.cat([wavs[:, :BEFORE].flip(1), wavs, wavs[:, -AFTER:].flip(1)], dim=1)

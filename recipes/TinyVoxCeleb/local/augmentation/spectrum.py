"""Filters and levels of whole batches of signals (batch, time)."""

import scipy.fft
import torch
from torch import Tensor

from local.layout import SAMPLE_RATE

SILENCE = 1e-5  # level below which there is nothing to scale


def level(signals: Tensor) -> Tensor:
    """Root mean square of signals, not below SILENCE; shape (batch, 1)."""
    return signals.square().mean(dim=1, keepdim=True).sqrt().clamp(min=SILENCE)


def at_level_of(changed: Tensor, signals: Tensor) -> Tensor:
    """Changed signals at the level that they had."""
    return changed * (level(signals) / level(changed))


def frequencies(num_frames: int, device: torch.device) -> Tensor:
    """Frequencies in Hz at which `filtered` wants the gains of signals of `num_frames` samples."""
    bins = _fft_size(num_frames) // 2 + 1
    return torch.linspace(0, SAMPLE_RATE / 2, bins, device=device)


def filtered(signals: Tensor, gains: Tensor) -> Tensor:
    """Signals through filters without delay: linear gains (batch, bins) at `frequencies`."""
    size = _fft_size(signals.shape[1])
    return torch.fft.irfft(torch.fft.rfft(signals, size) * gains, size)[:, : signals.shape[1]]


def convolved(signals: Tensor, responses: Tensor) -> Tensor:
    """Signals through impulse responses (batch, taps), cut at their length."""
    size = _fft_size(signals.shape[1] + responses.shape[1])
    spectra = torch.fft.rfft(signals, size) * torch.fft.rfft(responses, size)
    return torch.fft.irfft(spectra, size)[:, : signals.shape[1]]


def mixed(signals: Tensor, noise: Tensor, snr: Tensor) -> Tensor:
    """Signals with noise (batch, time) at signal-to-noise ratios (batch,) in dB."""
    gain = level(signals) / level(noise) * 10 ** (-snr[:, None] / 20)
    return signals + noise * gain


def _fft_size(num_frames):
    return 2 * scipy.fft.next_fast_len((num_frames + 1) // 2)  # even: the last bin is Nyquist's

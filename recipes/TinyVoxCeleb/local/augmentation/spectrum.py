"""Filters and levels of whole batches."""

import scipy.fft
import torch

SILENCE = 1e-5  # level below which there is nothing to scale


def level(signals):
    """Root mean square of signals (batch, time), not below SILENCE; shape (batch, 1)."""
    return signals.square().mean(dim=1, keepdim=True).sqrt().clamp(min=SILENCE)


def at_level_of(changed, signals):
    """Changed signals at the level that they had; both of shape (batch, time)."""
    return changed * (level(signals) / level(changed))


def frequencies(num_frames, sample_rate, device=None):
    """Frequencies in Hz at which `filtered` wants the gains of signals of `num_frames` samples."""
    bins = _fft_size(num_frames) // 2 + 1
    return torch.linspace(0, sample_rate / 2, bins, device=device)


def filtered(signals, gains):
    """Signals through filters without delay, given as gains.

    Arguments
    ---------
    signals : torch.Tensor
        Shape (batch, time).
    gains : torch.Tensor
        Linear, at `frequencies`; shape (batch, bins).

    Returns
    -------
    torch.Tensor
        Shape (batch, time).
    """
    size = _fft_size(signals.shape[1])
    return torch.fft.irfft(torch.fft.rfft(signals, size) * gains, size)[:, : signals.shape[1]]


def convolved(signals, responses):
    """Signals (batch, time) through impulse responses (batch, taps), cut at their length."""
    size = _fft_size(signals.shape[1] + responses.shape[1])
    spectra = torch.fft.rfft(signals, size) * torch.fft.rfft(responses, size)
    return torch.fft.irfft(spectra, size)[:, : signals.shape[1]]


def mixed(signals, noise, snr):
    """Add noise (batch, time) to signals (batch, time) at signal-to-noise ratios (batch,) in dB."""
    gain = level(signals) / level(noise) * 10 ** (-snr[:, None] / 20)
    return signals + noise * gain


def _fft_size(num_frames):
    return 2 * scipy.fft.next_fast_len((num_frames + 1) // 2)  # even: the last bin is Nyquist's

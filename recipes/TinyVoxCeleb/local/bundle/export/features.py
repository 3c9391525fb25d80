"""Features as products of matrices, which every exporter and runtime knows, instead of an FFT."""

import math

import torch
from speechbrain.lobes.features import Fbank
from torch import Tensor
from torch.nn.functional import conv1d, pad

from local.bundle.export.phone import KaldiBands, is_kaldis
from local.errors import RecipeError


class Spectrum(torch.nn.Module):
    """The power spectrum of centred frames, as a convolution with windowed sines and cosines.

    Arguments
    ---------
    window : Tensor
        Of shape (size,); it lies in the middle of the `n_fft` samples of a frame.
    n_fft, hop : int
        Audio samples.
    pad_mode : str
        What stands beyond both ends: "constant" zeros, or "reflect".

    Example
    -------
    >>> Spectrum(torch.hann_window(400), n_fft=400, hop=160)(torch.rand(2, 16000)).shape
    torch.Size([2, 101, 201])
    """

    def __init__(self, window: Tensor, *, n_fft: int, hop: int, pad_mode: str = "constant"):
        super().__init__()
        self.n_fft, self.hop, self.pad_mode = n_fft, hop, pad_mode
        left = (n_fft - len(window)) // 2
        window = pad(window.double(), (left, n_fft - len(window) - left))
        # The product of the two is taken modulo n_fft first: an angle of thousands loses digits.
        turns = torch.outer(torch.arange(n_fft // 2 + 1), torch.arange(n_fft)) % n_fft
        angles = turns.double() * (2 * math.pi / n_fft)
        waves = torch.cat([angles.cos(), angles.sin()]) * window
        self.register_buffer("waves", waves.float().unsqueeze(1))

    def forward(self, wavs: Tensor) -> Tensor:
        """From waveforms (batch, time) to (batch, frames, n_fft // 2 + 1)."""
        half = self.n_fft // 2
        wavs = wavs.unsqueeze(1)
        if self.pad_mode == "constant":
            waves = conv1d(wavs, self.waves, stride=self.hop, padding=half)
        else:
            padded = pad(wavs, (half, half), mode=self.pad_mode)
            waves = conv1d(padded, self.waves, stride=self.hop)
        real, imaginary = waves.split(half + 1, dim=1)
        return (real.square() + imaginary.square()).transpose(1, 2)


class LogMel(torch.nn.Module):
    """Decibels of the bands of one or several filter banks, with a floor below each one's maximum.

    `filters` has the shape (frequencies, banks, bands); the bands of all banks come out side by
    side.
    """

    def __init__(self, filters: Tensor, *, least: float, floor: float):
        super().__init__()
        self.register_buffer("filters", filters.flatten(1))
        self.bands = filters.shape[2]
        self.least, self.floor = least, floor

    def forward(self, power: Tensor) -> Tensor:
        """From power (batch, frames, frequencies) to (batch, frames, banks * bands)."""
        decibels = 10 * (power @ self.filters).clamp(min=self.least).log10()
        # Not unflatten, behind which the exporter takes the example's number of frames for all.
        banks = decibels.split(self.bands, dim=2)
        floored = [bank.maximum(bank.amax((1, 2), keepdim=True) - self.floor) for bank in banks]
        return torch.cat(floored, dim=2)


class Cosines(torch.nn.Module):
    """The product with a matrix: cepstral coefficients of log mel bands."""

    def __init__(self, matrix: Tensor):
        super().__init__()
        self.register_buffer("matrix", matrix)

    def forward(self, bands: Tensor) -> Tensor:
        """From (batch, frames, bands) to (batch, frames, coefficients)."""
        return bands @ self.matrix


class NormalizedWaveforms(torch.nn.Module):
    """Self-supervised features of waveforms that are normalised first, as the model wants them."""

    def __init__(self, features):
        super().__init__()
        self.features = features
        features.ssl.normalize_wav = False

    def forward(self, wavs: Tensor) -> Tensor:
        """From waveforms (batch, time) to features (batch, frames, hidden size)."""
        centred = wavs - wavs.mean(1, keepdim=True)
        variance = centred.square().mean(1, keepdim=True)
        return self.features(centred / (variance + 1e-5).sqrt())  # the constant of layer_norm


def exportable_features(features: torch.nn.Module) -> torch.nn.Module:
    """What computes the same from waveforms, where an exporter would stumble over the original.

    Features of another kind are given back as they are.

    Raises
    ------
    RecipeError
        SpeechBrain's with an option that has no counterpart here.
    """
    if isinstance(features, Fbank):
        return _fbank(features)
    if is_kaldis(features):
        return KaldiBands(features)
    if hasattr(features, "transform") and hasattr(features.transform, "dct_mat"):
        return _mfcc(features.transform)
    if getattr(getattr(features, "ssl", None), "normalize_wav", False):
        return NormalizedWaveforms(features)
    return features


def _fbank(features):
    """SpeechBrain's filter bank, or the several of a WarpedFbank."""
    stft = features.compute_STFT
    banks = getattr(features, "warped_fbanks", [features.compute_fbanks])
    plain = stft.center and not stft.normalized_stft and not features.deltas
    if not plain or features.context or not all(_is_plain(bank) for bank in banks):
        raise RecipeError(
            "compute_features: Fbank with deltas, context, a normalised or not centred STFT, "
            "without logarithm, or magnitudes cannot be exported; train without"
        )
    spectrum = Spectrum(stft.window, n_fft=stft.n_fft, hop=stft.hop_length, pad_mode=stft.pad_mode)
    filters = torch.stack([_matrix(bank) for bank in banks], dim=1)
    return torch.nn.Sequential(
        spectrum, LogMel(filters, least=banks[0].amin, floor=banks[0].top_db)
    )


def _is_plain(bank):
    return bank.log_mel and bank.power_spectrogram == 2 and bank.db_multiplier == 0


def _matrix(bank):
    """The filters of a bank, (frequencies, bands): what it makes of each frequency alone."""
    bank.log_mel = False
    try:
        return bank(torch.eye(bank.n_stft).unsqueeze(0)).squeeze(0).detach()
    finally:
        bank.log_mel = True


def _mfcc(transform):
    """torchaudio's MFCC, whose floor lies below the maximum of each utterance."""
    mel, decibels = transform.MelSpectrogram, transform.amplitude_to_DB
    spectrogram = mel.spectrogram
    spectrum = Spectrum(
        spectrogram.window,
        n_fft=spectrogram.n_fft,
        hop=spectrogram.hop_length,
        pad_mode=spectrogram.pad_mode,
    )
    bands = LogMel(mel.mel_scale.fb.unsqueeze(1), least=decibels.amin, floor=decibels.top_db)
    return torch.nn.Sequential(spectrum, bands, Cosines(transform.dct_mat))

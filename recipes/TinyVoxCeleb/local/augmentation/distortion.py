"""Gain, clipping, companding and holes in the spectrum: what devices and codecs do to speech.

SpeechBrain's CodecAugment encodes and decodes crops one by one on the CPU; these work on the batch.
"""

import math

import torch

from local.augmentation.augmentation import Part


class Gain(Part):
    """Louder or softer, in the range `decibels`.

    A network behind normalised log features hardly hears it.
    """

    def __init__(self, *, probability: float, decibels: tuple[float, float] = (-20, 6)):
        super().__init__(probability)
        self.decibels = decibels

    def draw(self, rng):
        """Gain in dB."""
        return (rng.uniform(*self.decibels),)

    def change(self, chosen, others, decibels):
        """Multiply."""
        return chosen * 10 ** (decibels[:, None] / 20)


class Clipping(Part):
    """Cut the peaks off, as an overloaded microphone does.

    `threshold` is the range of the highest level that is left, as a share of the peak.
    """

    def __init__(self, *, probability: float, threshold: tuple[float, float] = (0.15, 0.7)):
        super().__init__(probability)
        self.threshold = threshold

    def draw(self, rng):
        """Share of the peak."""
        return (rng.uniform(*self.threshold),)

    def change(self, chosen, others, threshold):
        """Clip."""
        bound = chosen.abs().amax(dim=1, keepdim=True) * threshold[:, None]
        return chosen.clamp(-bound, bound)


class Companding(Part):
    """Few bits on a logarithmic scale, as telephone lines have them (ITU-T G.711, mu-law).

    `bits` is the range of the bits a sample, the sign among them, 8 on a telephone line; `mu` is
    the one of the mu-law.
    """

    def __init__(self, *, probability: float, bits: tuple[float, float] = (5, 9), mu: int = 255):
        super().__init__(probability)
        self.bits = bits
        self.mu = mu

    def draw(self, rng):
        """Bits a sample."""
        return (rng.uniform(*self.bits),)

    def change(self, chosen, others, bits):
        """Compress, round and expand."""
        peak = chosen.abs().amax(dim=1, keepdim=True).clamp(min=1e-5)
        scaled = torch.log1p(self.mu * (chosen / peak).abs()) / math.log1p(self.mu)
        steps = 2 ** (bits[:, None] - 1)
        rounded = (scaled * steps).round() / steps
        return peak * chosen.sign() * torch.expm1(rounded * math.log1p(self.mu)) / self.mu


class SpectralHoles(Part):
    """Spectral lines that loud neighbours hide are dropped, as music codecs do at low bit rates.

    Arguments
    ---------
    depth : (float, float)
        Range, in dB, of how far below its surroundings (of 17 lines, 0.5 kHz) a line is dropped,
        and 20 dB further below the loudest line of the crop.
    window : int
        Audio samples of a frame.
    """

    def __init__(
        self, *, probability: float, depth: tuple[float, float] = (5, 30), window: int = 512
    ):
        super().__init__(probability)
        self.depth = depth
        self.register_buffer("window", torch.hann_window(window), persistent=False)

    def draw(self, rng):
        """Depth in dB."""
        return (rng.uniform(*self.depth),)

    def change(self, chosen, others, depth):
        """Drop lines of the short-time Fourier transform."""
        window = {"n_fft": len(self.window), "hop_length": len(self.window) // 4}
        window["window"] = self.window
        lines = torch.stft(chosen, return_complex=True, **window)
        power = lines.abs().square()
        around = torch.nn.functional.avg_pool2d(power, (17, 1), 1, (8, 0))
        share = 10 ** (-depth[:, None, None] / 10)
        heard = power > around * share
        heard &= power > power.amax(dim=(1, 2), keepdim=True) * share / 100
        return torch.istft(lines * heard, length=chosen.shape[1], **window)

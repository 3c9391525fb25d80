"""What coding for a line or a file leaves of speech.

SpeechBrain's CodecAugment goes through ffmpeg by torchaudio, which has no longer either.
"""

import math

import torch

from local.augmentation.augmentation import Part


class Companding(Part):
    """Few bits on a logarithmic scale, as telephone lines have them (ITU-T G.711, mu-law).

    Arguments
    ---------
    probability : float
    bits : (float, float)
        Range of the bits a sample, the sign among them; 8 on a telephone line.
    mu : int
        Of the scale.
    """

    def __init__(self, *, probability, bits=(5, 9), mu=255):
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
    probability : float
    depth : (float, float)
        Range, in dB, of how far below its surroundings (of 17 lines, 0.5 kHz) a line is dropped,
        and 20 dB further below the loudest line of the crop.
    window : int
        Audio samples of a frame.
    """

    def __init__(self, *, probability, depth=(5, 30), window=512):
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

"""Augmentation of crops on the device where the network is."""

from local.augmentation.augmentation import Augmentation, CropAugmentation, Part
from local.augmentation.bank import Bank
from local.augmentation.channel import BandLimit, Equalizer, FrequencyDrop
from local.augmentation.choice import OneOf
from local.augmentation.codec import Companding, SpectralHoles
from local.augmentation.level import ChunkDrop, Clipping, Gain
from local.augmentation.noise import Babble, ColouredNoise, RecordedNoise
from local.augmentation.recordings import find_recordings
from local.augmentation.reverb import Reverb, recorded_rooms, simulated_rooms
from local.augmentation.spectrogram import FrequencyMask, TimeMask
from local.augmentation.speed import SpeedPerturbation, count_classes, frames_to_read

__all__ = [
    "Augmentation",
    "Babble",
    "BandLimit",
    "Bank",
    "ChunkDrop",
    "Clipping",
    "ColouredNoise",
    "Companding",
    "CropAugmentation",
    "Equalizer",
    "FrequencyDrop",
    "FrequencyMask",
    "Gain",
    "OneOf",
    "Part",
    "RecordedNoise",
    "Reverb",
    "SpectralHoles",
    "SpeedPerturbation",
    "TimeMask",
    "count_classes",
    "find_recordings",
    "frames_to_read",
    "recorded_rooms",
    "simulated_rooms",
]

"""Augmentation of crops on the device where the network is.

A `Part` changes some of the crops; an `Augmentation` is a list of parts, which YAML files hold.
"""

from local.augmentation.augmentation import Augmentation, CropAugmentation, OneOf, Part
from local.augmentation.channel import BandLimit, Equalizer, FrequencyDrop
from local.augmentation.distortion import Clipping, Companding, Gain, SpectralHoles
from local.augmentation.masks import ChunkDrop, FrequencyMask, TimeMask
from local.augmentation.noise import Babble, ColouredNoise, RecordedNoise
from local.augmentation.recordings import Bank, find_noise, find_rooms
from local.augmentation.reverb import Reverb, choose_rooms, simulated_rooms
from local.augmentation.voices import VocalTracts, count_classes

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
    "TimeMask",
    "VocalTracts",
    "choose_rooms",
    "count_classes",
    "find_noise",
    "find_rooms",
    "simulated_rooms",
]

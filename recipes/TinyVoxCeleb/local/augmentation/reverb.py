"""Reverberation by impulse responses of rooms: recorded, or simulated.

In both the direct sound, the loudest sample, comes first; recorded ones end after RESPONSE_FRAMES.
"""

from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from local.augmentation.augmentation import Part
from local.augmentation.recordings import (
    RESPONSE_FRAMES,
    Bank,
    Recordings,
    find_rooms,
    from_direct_sound,
)
from local.augmentation.spectrum import at_level_of, convolved
from local.errors import RecipeError
from local.layout import SAMPLE_RATE

MAX_REFLECTIONS = 20  # of each sound ray: enough for the first 25 dB of the decay in 0.6 s


class Reverb(Part):
    """Put each crop into one of the rooms, from `simulated_rooms` or `find_rooms`."""

    def __init__(self, rooms: Bank | Recordings, *, probability: float):
        super().__init__(probability)
        self.rooms = rooms

    def draw(self, rng):
        """Which room."""
        return (self.rooms.draw(rng),)

    def change(self, chosen, others, rooms):
        """Convolve, and keep the level."""
        return at_level_of(convolved(chosen, self.rooms.rows(rooms)), chosen)


def choose_rooms(
    folder: str | Path, cache: str | Path, *, number: int, seed: int
) -> Bank | Recordings:
    """The recorded rooms of a folder, see `find_rooms`; without one, so many simulated rooms."""
    return find_rooms(folder, cache) if folder else simulated_rooms(number, seed=seed)


def simulated_rooms(
    number: int,
    *,
    seed: int,
    reverberation: tuple[float, float] = (0.15, 0.6),
    distance: tuple[float, float] = (0.3, 4.0),
    seconds: float = RESPONSE_FRAMES / SAMPLE_RATE,
) -> Bank:
    """Impulse responses of random shoebox rooms, by pyroomacoustics' image sources.

    Source: J. Allen, D. Berkley, "Image method for efficiently simulating small-room acoustics",
    1979; R. Scheibler et al., "Pyroomacoustics", 2018. A hundred rooms take about a second.

    Arguments
    ---------
    reverberation : (float, float)
        Range of the time in which sound falls by 60 dB, in s, by Sabine's formula. Above 0.6 s
        rooms come out drier than that: sound is followed over MAX_REFLECTIONS walls only.
    distance : (float, float)
        Range of the distance from speaker to microphone, in m.

    Raises
    ------
    RecipeError
        pyroomacoustics is not installed.
    """
    if find_spec("pyroomacoustics") is None:
        raise RecipeError(
            "reverberation: simulated rooms need pyroomacoustics, which is not installed: run "
            "scripts/setup_virtual_environment.sh, or give --rir_folder recorded ones"
        )
    return Bank(partial(_simulated, number, seed, reverberation, distance, seconds))


def _simulated(number, seed, reverberation, distance, seconds):
    import pyroomacoustics  # takes a while

    rng = np.random.default_rng(seed)
    responses = np.zeros((number, round(seconds * SAMPLE_RATE)), np.float32)
    for response in responses:
        size = rng.uniform([2.5, 2.5, 2.2], [10, 8, 4])  # m
        absorption, order = _walls(pyroomacoustics, rng.uniform(*reverberation), size)
        room = pyroomacoustics.ShoeBox(
            size,
            fs=SAMPLE_RATE,
            materials=pyroomacoustics.Material(absorption),
            max_order=min(order, MAX_REFLECTIONS),
        )
        speaker = rng.uniform(0.3, size - 0.3)
        direction = rng.normal(size=3)
        away = rng.uniform(*distance) * direction / np.linalg.norm(direction)
        room.add_source(speaker)
        room.add_microphone(np.clip(speaker + away, 0.2, size - 0.2))
        room.compute_rir()
        taps = from_direct_sound(room.rir[0][0], len(response))
        response[: len(taps)] = taps / np.abs(taps).max()
    return torch.from_numpy(responses)


def _walls(pyroomacoustics, reverberation, size):
    """Absorption of the walls and number of reflections; no room is deader than its air."""
    try:
        return pyroomacoustics.inverse_sabine(reverberation, size)
    except ValueError:  # not even walls that absorb all of it make so large a room so dead
        return 0.99, 1

"""The windows in which long recordings are embedded.

A copy of this file lies in each inference bundle, so it imports nothing of the recipe.
"""

MIN_FRAMES = 8000  # 0.5 s at 16 kHz: shorter recordings are repeated to it
MAX_FRAMES = 1920000  # 2 min at 16 kHz: what a network takes at once


def windows(num_frames: int, max_frames: int = MAX_FRAMES) -> tuple[list[int], int]:
    """Where the windows of a recording begin, and how long each of them is, in audio samples.

    A recording of up to `max_frames` is one window. A longer one gives windows of one length that
    cover it (they overlap by a sample at the most, where it cannot be divided evenly), and its
    embedding is the mean of theirs. That is not what the network would give for the whole: pooling
    over time, attention and normalisation by sentence see one window each. A network whose memory
    grows with the audio could not be run on the whole, though.

    Example
    -------
    >>> windows(30, max_frames=50), windows(101, max_frames=50)
    (([0], 30), ([0, 33, 67], 34))
    """
    count = -(-num_frames // max_frames)
    if count == 1:
        return [0], num_frames
    size = -(-num_frames // count)
    return [number * (num_frames - size) // (count - 1) for number in range(count)], size

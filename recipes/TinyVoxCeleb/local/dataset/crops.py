"""Where a crop lies in its utterance."""

import torch

from local.dataset.order import sample_seed
from local.errors import RecipeError
from local.shards.audio import repeat_to

MIN_CROP_FRAMES = 1600  # 0.1 s: a few frames of features


def cut_crop(read, index, row, crop, *, num_frames, seed, epoch):
    """Cut one crop of an utterance; a shorter utterance is repeated to its length.

    Arguments
    ---------
    read : callable
        Gets where the crop begins and its length, in audio samples; returns these, int16, of shape
        (time,).
    index : ShardIndex
    row : int
        Number of the utterance in the index.
    crop : int
        Number of the crop in the utterance.
    num_frames : int
        Length of a crop, in audio samples.
    seed, epoch : int
        With the utterance's id and `crop` they settle where the crop begins.

    Returns
    -------
    dict
        "id" as trial lists name the utterance, "sig" as int16 of shape (num_frames,), "class_idx",
        and "seed", which is this crop's own.

    Raises
    ------
    RecipeError
        See `decode`.
    """
    sample = index[row]
    of_crop = sample_seed(seed, epoch, sample.sample_id, crop)
    start = of_crop % (max(sample.num_frames - num_frames, 0) + 1)
    signal = read(start, min(num_frames, sample.num_frames))
    return {
        "id": sample.key,
        "sig": torch.from_numpy(repeat_to(signal, num_frames)),
        "class_idx": index.class_idx.item(row),
        "seed": of_crop % 2**63,  # as torch's integers go
    }


def check_crop_frames(crop_frames):
    """Check the length of crops.

    Arguments
    ---------
    crop_frames : int
        In audio samples.

    Raises
    ------
    RecipeError
        They are too short for features.
    """
    if crop_frames < MIN_CROP_FRAMES:
        raise RecipeError(
            f"crops of {crop_frames} audio samples: expected at least {MIN_CROP_FRAMES} (0.1 s)"
        )


def check_some_are_longer(index, crop_frames):
    """Check that not all utterances would have to be repeated.

    Arguments
    ---------
    index : ShardIndex
        Of the training shards.
    crop_frames : int
        Length of a crop in audio samples.

    Raises
    ------
    RecipeError
        Every utterance is shorter than a crop.
    """
    longest = index.num_frames.max()
    if crop_frames > longest:
        raise RecipeError(
            f"audio_length_num_frames: crops of {crop_frames} audio samples, but the longest "
            f"utterance in {index.name} has {longest}; give at most "
            "that, divided by the highest of the speeds where there are any"
        )

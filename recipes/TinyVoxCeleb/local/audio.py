"""Decode the part of an encoded utterance that is needed, and no more.

Authors
 * The TinyVoxCeleb authors 2026
"""

import io

import numpy as np
import soundfile as sf

from local.errors import RecipeError


def decode(encoded, sample, *, start=0, num_frames=-1):
    """Decode an utterance, or a part of it.

    Arguments
    ---------
    encoded : bytes or file object
        Content of a wav or flac file; of an open file only the part that is needed is read.
    sample : Sample
        What its shard tells of it: the expected sample rate, and the name for messages.
    start : int
        First audio sample to decode.
    num_frames : int
        How many to decode; -1 for all.

    Returns
    -------
    numpy.ndarray
        Samples in [-1, 1], float32, shape (time,).

    Raises
    ------
    RecipeError
        For audio that is unreadable, empty, not mono, of another length or sample rate than its
        JSON tells, or not finite.
    """
    file = io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded
    try:
        with sf.SoundFile(file) as audio:
            if audio.samplerate != sample.sampling_rate or audio.channels != 1:
                raise RecipeError(
                    f"{sample.sample_id}: the audio is {audio.samplerate} Hz with {audio.channels} "
                    f"channels: expected {sample.sampling_rate} Hz mono, as its JSON tells"
                )
            if audio.frames != sample.num_frames:
                raise RecipeError(
                    f"{sample.sample_id}: the audio holds {audio.frames} samples, its JSON tells "
                    f"{sample.num_frames}; write the shards anew"
                )
            audio.seek(start)
            signal = audio.read(num_frames, dtype="float32")
    except sf.LibsndfileError as error:
        raise RecipeError(
            f"{sample.sample_id}: unreadable audio ({error}); write the shards anew without it"
        ) from None
    if not np.isfinite(signal).all():
        raise RecipeError(f"{sample.sample_id}: the audio holds NaN; write the shards without it")
    if not len(signal):
        raise RecipeError(
            f"{sample.sample_id}: the audio is empty; write the shards anew without it"
        )
    return signal


def repeat_to(signal, num_frames):
    """Repeat a signal until it has at least `num_frames` samples, and cut what is over.

    Arguments
    ---------
    signal : numpy.ndarray
        Shape (time,), returned as it is when long enough.
    num_frames : int

    Returns
    -------
    numpy.ndarray

    Example
    -------
    >>> repeat_to(np.array([1, 2, 3]), 5)
    array([1, 2, 3, 1, 2])
    """
    if len(signal) >= num_frames:
        return signal
    return np.resize(signal, num_frames)


def random_crops(encoded, sample, num_frames, count, rng):
    """Decode random crops of one utterance; a shorter utterance is repeated to their length.

    Only what is needed is decoded: each crop by itself, or, where the crops together are longer
    than the utterance, the utterance once.

    Arguments
    ---------
    encoded : bytes
        Content of a wav or flac file.
    sample : Sample
    num_frames : int
        Length of a crop, in audio samples.
    count : int
        Number of crops.
    rng : numpy.random.Generator
        Draws where they start.

    Returns
    -------
    list of numpy.ndarray
        `count` crops, float32, shape (num_frames,).
    """
    starts = rng.integers(max(sample.num_frames - num_frames, 0) + 1, size=count).tolist()
    if count * num_frames > sample.num_frames:
        whole = decode(encoded, sample)
        crops = (whole[start : start + num_frames] for start in starts)
    else:
        crops = (decode(encoded, sample, start=at, num_frames=num_frames) for at in starts)
    return [repeat_to(crop, num_frames) for crop in crops]

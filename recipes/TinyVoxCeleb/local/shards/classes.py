"""Classes and speakers: what the training shards tell of them, checked."""

import zlib

from local.errors import RecipeError


def speakers_by_class(index):
    """The speaker of each class, as the training shards tell.

    Arguments
    ---------
    index : ShardIndex
        Of the training shards.

    Returns
    -------
    list of str
        The speaker id of class 0, 1, ...

    Raises
    ------
    RecipeError
        Fewer than two speakers; a sample without class; class indices with gaps; two speakers in
        one class or two classes for one speaker.
    """
    where = index.name
    speakers = {}
    for sample in index:
        if not isinstance(sample.class_idx, int):
            raise RecipeError(
                f"{where}: class_idx of {sample.sample_id} is {sample.class_idx}: expected the "
                "integer class of a training speaker"
            )
        known = speakers.setdefault(sample.class_idx, sample.speaker_id)
        if known != sample.speaker_id:
            raise RecipeError(
                f"{where}: class_idx {sample.class_idx} stands for two speakers, {known} and "
                f"{sample.speaker_id}: give each its own idx in tiny_meta.csv"
            )
    if sorted(speakers) != list(range(len(speakers))):
        gaps = sorted(set(range(max(speakers) + 1)) - set(speakers))
        found = f"{gaps[:5]} of them missing" if gaps else f"{min(speakers)} among them"
        raise RecipeError(
            f"{where}: class_idx has gaps: {len(speakers)} classes up to {max(speakers)}, {found}; "
            "expected every index from 0; number the speakers anew in tiny_meta.csv"
        )
    if len(set(speakers.values())) != len(speakers):
        raise RecipeError(f"{where}: a speaker has two class indices: expected one each")
    if len(speakers) < 2:
        raise RecipeError(f"{where}: found {len(speakers)} speaker: expected at least two")
    return [speakers[idx] for idx in range(len(speakers))]


def count_speakers(index):
    """The number of training speakers, see `speakers_by_class`.

    Arguments
    ---------
    index : ShardIndex
        Of the training shards.

    Returns
    -------
    int
    """
    return len(speakers_by_class(index))


def fingerprint(index):
    """A number for what shards hold, however they are cut: ids, lengths and classes, not audio.

    Arguments
    ---------
    index : ShardIndex

    Returns
    -------
    str
    """
    lines = sorted(f"{s.sample_id} {s.num_frames} {s.class_idx}" for s in index)
    order = "" if index.mapped else ", streamed"  # in an order of their own
    return f"{len(lines)} utterances, crc {zlib.crc32(chr(10).join(lines).encode()):08x}{order}"


def check_classes(index, speakers):
    """Check that labelled samples outside the training set name a training speaker.

    Arguments
    ---------
    index : ShardIndex
        Of the validation shards.
    speakers : list of str
        From `speakers_by_class`.

    Raises
    ------
    RecipeError
        A class_idx beyond the count of classes, missing, or of another speaker.
    """
    for sample in index:
        idx = sample.class_idx
        if not isinstance(idx, int) or not 0 <= idx < len(speakers):
            raise RecipeError(
                f"{index.name}: class_idx of {sample.sample_id} is {idx}: expected 0 "
                f"to {len(speakers) - 1}, as there are {len(speakers)} training speakers"
            )
        if speakers[idx] != sample.speaker_id:
            raise RecipeError(
                f"{index.name}: class_idx {idx} of {sample.sample_id} belongs to "
                f"{speakers[idx]} in the training shards (of several, the first is to be that of "
                "the validation shards)"
            )

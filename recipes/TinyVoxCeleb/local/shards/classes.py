"""The classes of speakers, as shards tell them: checked, and those of several sources joined."""

import dataclasses
import zlib
from pathlib import Path

import numpy as np

from local.errors import RecipeError
from local.shards.addresses import public
from local.shards.index import ShardIndex

NAMED = 5  # of classes that are missing: so many are listed


def speakers_by_class(index: ShardIndex) -> list[str]:
    """The speaker ids of the classes 0, 1, ..., as the training shards tell.

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
        first = range(min(max(speakers), len(speakers) + NAMED))  # of how many, a file tells
        gaps = [number for number in first if number not in speakers]
        found = f"{gaps[:NAMED]} of them missing" if gaps else f"{min(speakers)} among them"
        raise RecipeError(
            f"{where}: class_idx has gaps: {len(speakers)} classes up to {max(speakers)}, {found}; "
            "expected every index from 0; number the speakers anew in tiny_meta.csv"
        )
    if len(set(speakers.values())) != len(speakers):
        raise RecipeError(f"{where}: a speaker has two class indices: expected one each")
    if len(speakers) < 2:
        raise RecipeError(f"{where}: found {len(speakers)} speaker: expected at least two")
    return [speakers[idx] for idx in range(len(speakers))]


def fingerprint(index: ShardIndex) -> str:
    """A text for what shards hold, however they are cut: ids, lengths and classes, not audio."""
    lines = sorted(f"{s.sample_id} {s.num_frames} {s.class_idx}" for s in index)
    order = "" if index.mapped else ", streamed"  # in an order of their own
    return f"{len(lines)} utterances, crc {zlib.crc32(chr(10).join(lines).encode()):08x}{order}"


def check_classes(index: ShardIndex, speakers: list[str]) -> None:
    """Check that the classes of validation shards are those of `speakers_by_class`.

    A class_idx that is beyond these, missing, or of another speaker is a RecipeError.
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


def separate_classes(index: ShardIndex, sources: list[str | Path], counts: list[int]) -> ShardIndex:
    """Let the classes of each source follow those of the source before, as each begins with 0.

    The index is that of the shards of all sources, one source after the other; `counts` has the
    number of shards of each. A speaker with the name of one of another source is a RecipeError:
    whether they are one person, nobody knows.
    """
    if len(sources) == 1:
        return index
    source_of_row = np.repeat(np.arange(len(sources)), counts)[index.shard]
    class_idx, seen, classes = index.class_idx.copy(), {}, 0
    for number, source in enumerate(sources):
        rows = np.flatnonzero(source_of_row == number)
        for speaker in {key.split(b"/")[0] for key in index.sample_ids[rows]}:
            if speaker in seen:
                name, first = speaker.decode(), public(seen[speaker])
                raise RecipeError(
                    f"{public(source)}: speaker {name} is in {first} too; write the shards "
                    "of one of them anew under other names, or, if they are one person, one set of "
                    "shards of both"
                )
            seen[speaker] = source
        own = class_idx[rows]
        class_idx[rows] = np.where(own < 0, -1, own + classes)
        classes += own.max(initial=-1) + 1
    return dataclasses.replace(index, class_idx=class_idx)

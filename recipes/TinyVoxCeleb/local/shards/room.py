"""Whether there is room on the disk for the shards that are to be written, before that begins."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import soundfile as sf

from local.corpora.decoding import read_info
from local.errors import RecipeError, WriteError
from local.layout import SAMPLE_RATE
from local.shards.places import KEPT, UNPACKED, Utterance

PAIR = 2560  # bytes about that a sample takes beside its audio: headers, JSON, and to fill blocks
PROBES = 8  # files of each kind and split whose length is looked up
GIB, MIB = 1 << 30, 1 << 20


def check_room(out: Path, splits: Iterable[Iterable[Utterance]]) -> None:
    """Check that shards of all these utterances fit on the disk of a folder.

    Raises
    ------
    WriteError
        They do not, by far: how much they need is told by the sizes of files, or by the lengths of
        some.
    """
    needed = sum(map(_needed, splits))
    place = next(path for path in (out, *out.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise WriteError(
            f"{out}: shards need about {_told(needed)}, and {_told(free)} are free there: make "
            "room, or choose another folder"
        )


def _told(size):
    return f"{size / GIB:,.1f} GiB" if size >= GIB else f"{size / MIB:,.1f} MiB"


def _needed(utterances):
    sizes, probes, count = {}, {}, 0
    for utterance in utterances:
        count += 1
        kind = utterance.suffix
        sizes[kind] = sizes.get(kind, 0) + utterance.size
        # Those whose number is a power of two: few of many, from all parts, as they are shuffled.
        if kind not in probes or (len(probes[kind]) < PROBES and not count & (count - 1)):
            probes.setdefault(kind, []).append(utterance)
    return PAIR * count + sum(size * _growth(probes[kind]) for kind, size in sizes.items())


def _growth(utterances):
    """How many times as large as its file some audio is in a shard."""
    before = after = 0
    for utterance in utterances:
        try:
            with utterance.opened_by() as path:
                info = read_info(path)
        except (sf.SoundFileError, OSError, RecipeError):  # told where it is read
            continue
        kept = utterance.suffix in KEPT and (info.samplerate, info.channels) == (SAMPLE_RATE, 1)
        before += utterance.size
        after += utterance.size if kept else 2 * SAMPLE_RATE * info.duration
    kept = utterances[0].suffix in KEPT
    return after / before if before else (1 if kept else UNPACKED)

"""Whether audio in shards is still what was written: blocks that a copy has lost are zeros.

A WAV file with zeros in it is good audio to every reader. The manifest has a digest of each; but to
compare them, all has to be read, so that is done when somebody asks for it. What was never written
to the disk is a hole in the file, of which the system knows: what lies in holes, which is little,
is compared whenever a training begins.
"""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from local.errors import RecipeError, first_of
from local.shards.addresses import shard_name
from local.shards.audio import read_samples
from local.shards.complete import DIGEST
from local.shards.index import ShardIndex
from local.shards.reading import stream_audio

BLOCK = 4096  # bytes, of which what a disk or a network loses is a multiple
EDGE = 8  # audio samples beside blocks of zeros: where all are zero, it is silence


def check_holes(index: ShardIndex) -> None:
    """Compare the utterances that lie in holes of local shards with their digests.

    Holes are no fault in themselves: some programs leave out digital silence. Audio that is not
    what was written is a RecipeError; without digest, sound that stops where a lost block begins.
    """
    found = {}
    for number, shard in enumerate(index.shards):
        if isinstance(shard, Path) and (holes := _holes(shard)):
            rows = np.flatnonzero((index.shard == number) & (index.pcm >= 0))
            begin = (index.offset + index.pcm)[rows]
            end = begin + 2 * index.num_frames[rows]
            hit = np.any([(begin < last) & (first < end) for first, last in holes], axis=0)
            found |= _compare(index, rows[hit].tolist())
    _refuse_others(index, found)


def _holes(shard):
    """Where a file has bytes that were never written, as pairs of begin and end."""
    holes, end, size = [], 0, shard.stat().st_size
    with open(shard, "rb") as file:
        try:
            while (begin := os.lseek(file.fileno(), end, os.SEEK_HOLE)) < size:
                try:
                    end = os.lseek(file.fileno(), begin, os.SEEK_DATA)
                except OSError:  # there are no data behind
                    end = size
                holes.append((begin, end))
        except OSError:  # a file system that does not tell
            pass
    return holes


def check_audio(index: ShardIndex) -> str:
    """Read all shards, compare all audio with its digests, and tell what was found.

    Raises
    ------
    RecipeError
        Audio that is not what was written, or cannot be decoded.
    """
    rows = [np.flatnonzero(index.shard == n).tolist() for n in range(len(index.shards))]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        parts = pool.map(lambda rows: _compare(index, rows), filter(None, rows))
        found = {row: result for part in parts for row, result in part.items()}
    _refuse_others(index, found)
    unknown = [row for row, (known, _) in found.items() if not known]
    told = f"{index.name}: {len(found) - len(unknown)} utterances are as they were written"
    if unknown:
        told += f"; of {len(unknown)} there is no digest: only lost blocks were looked for"
    return told


def _compare(index, rows):
    """For each utterance of one shard whether its digest is known, and whether all is well."""
    found = {}
    for row, audio in stream_audio(index, rows) if rows else ():
        known = bool(index.digests[row].any())
        try:
            length = index.num_frames.item(row)
            samples = read_samples(audio, index, row, start=0, num_frames=length)
        except RecipeError:
            found[row] = True, False
            continue
        if known:
            digest = hashlib.sha256(np.ascontiguousarray(samples)).digest()[:DIGEST]
            found[row] = True, digest == index.digests[row].tobytes()
        else:
            place = index.offset.item(row) + index.pcm.item(row)
            found[row] = False, index.pcm[row] < 0 or not _lacks_blocks(samples, place)
    return found


def _lacks_blocks(samples, place):
    """Whether 16-bit PCM that begins at this byte of a file has sound up to blocks of zeros.

    Silence begins and ends anywhere: by chance it does so at both bounds once in 60,000 times.
    """
    first, length = -place % BLOCK // 2, BLOCK // 2
    blocks = samples[first : first + (len(samples) - first) // length * length]
    silent = ~blocks.reshape(-1, length).any(axis=1)
    bounds = np.flatnonzero(np.diff(np.concatenate([[False], silent, [False]])))
    for begin, end in (first + length * bounds).reshape(-1, 2).tolist():
        beside = [samples[max(0, begin - EDGE) : begin], samples[end : end + EDGE]]
        if all(part.any() or not len(part) for part in beside) and any(map(len, beside)):
            return True
    return False


def _refuse_others(index, found):
    for known, what in (
        (True, "the audio is not what was written"),
        (False, "there are blocks of zeros amid the audio, as if a copy had lost them"),
    ):
        if rows := [row for row, result in found.items() if result == (known, False)]:
            raise RecipeError(f"{_named(index, rows)}: {what}; copy these shards again")


def _named(index, rows):
    shards = [shard_name(index.shards[n]) for n in np.unique(index.shard[rows])]
    ids = [index.sample_ids[row].decode() for row in rows]
    return f"{index.name}: {first_of(shards)}: {len(rows)} utterances ({first_of(ids, 3)})"

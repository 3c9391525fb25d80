"""The audio of utterances: at any place of mapped shards, or as it comes by in others."""

import gzip
import mmap
import tarfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from local.errors import RecipeError
from local.shards.addresses import public
from local.shards.audio import read_samples
from local.shards.headers import Sample
from local.shards.index import ShardIndex, index_shards
from local.shards.sources import open_shard, read_to_the_end, skip_to, stamp_of


class MappedShards:
    """The audio of the utterances of an index, without reading what stands beside it.

    A process opens each shard once, when it first reads from it. Of the disk it reads the pages
    that are asked for, and none ahead. A shard that is compressed or elsewhere is a RecipeError.
    """

    def __init__(self, index: ShardIndex):
        if not index.mapped:
            raise RecipeError(
                f"{index.name}: compressed or remote shards cannot be read at any place: copy "
                "them to a disk with python -m local.shards.stage"
            )
        self.index = index
        self._maps = {}
        self._lock = threading.Lock()

    def __getstate__(self):
        return self.index  # another process opens its own

    def __setstate__(self, index):
        self.__init__(index)

    def audio(self, row: int, begin: int = 0, length: int | None = None) -> memoryview:
        """The audio file of the utterance of this number in the index.

        The disk is asked for the bytes of it that will be read: all by default. A shard that has
        changed since it was indexed is a RecipeError.
        """
        number = self.index.shard.item(row)
        with self._lock:
            mapped = self._maps.get(number) or self._map(number)
        offset, size = self.index.offset.item(row), self.index.size.item(row)
        length = size if length is None else length
        page = (offset + begin) % mmap.PAGESIZE
        mapped.madvise(mmap.MADV_WILLNEED, offset + begin - page, length + page)
        return memoryview(mapped)[offset : offset + size]

    def samples(self, row: int, start: int = 0, num_frames: int | None = None) -> np.ndarray:
        """An utterance, or a part of it, as a copy of its 16-bit samples, of shape (time,)."""
        pcm = self.index.pcm.item(row)
        num_frames = self.index.num_frames.item(row) - start if num_frames is None else num_frames
        part = (pcm + 2 * start, 2 * num_frames) if pcm >= 0 else ()
        encoded = self.audio(row, *part)
        return read_samples(encoded, self.index, row, start=start, num_frames=num_frames).copy()

    def _map(self, number):
        shard = self.index.shards[number]
        if stamp_of(shard) != self.index.stamps[number]:
            raise RecipeError(f"{shard}: has changed since it was indexed; run the command again")
        with open(shard, "rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        mapped.madvise(mmap.MADV_RANDOM)
        self._maps[number] = mapped
        return mapped


def stream_audio(index: ShardIndex, rows: list[int]) -> Iterator[tuple[int, memoryview]]:
    """Give the audio files of utterances of one shard, which is read once, from start to end.

    The index tells where each lies, so the archive has not to be taken apart. Rows, in the order
    of the index, come with their audio file; the next one takes its place in memory. A shard that
    cannot be read, or has changed since it was indexed, is a RecipeError.
    """
    number = index.shard.item(rows[0])
    shard = index.shards[number]
    buffer = bytearray(tarfile.BLOCKSIZE + int(index.size[rows].max()))
    with open_shard(shard, index.stamps[number]) as file:
        end = 0
        for row in rows:
            # The header comes too: it tells whether this is still what was indexed.
            begin = index.offset.item(row) - tarfile.BLOCKSIZE
            skip_to(file, begin, end)
            size = index.size.item(row)
            end = begin + tarfile.BLOCKSIZE + size
            part = memoryview(buffer)[: end - begin]
            if _fill(file, part) < len(part) or not _is_header(part, size):
                raise RecipeError(
                    f"{public(shard)}: changed since it was indexed: {index[row].sample_id} "
                    "is not in its place; run the command again"
                )
            yield row, part[tarfile.BLOCKSIZE :]
        if isinstance(file, gzip.GzipFile):
            read_to_the_end(file)


def _fill(file, part):
    filled = 0
    while filled < len(part) and (count := file.readinto(part[filled:])):
        filled += count
    return filled


def _is_header(part, size):
    try:
        block = bytes(part[: tarfile.BLOCKSIZE])
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape").size == size
    except tarfile.HeaderError:
        return False


def read_shards(shards: Iterable[Path | str]) -> Iterator[tuple[Sample, bytes]]:
    """Give all samples with their wav or flac files, shard after shard, once all are indexed."""
    index = index_shards(list(shards))
    for number in range(len(index.shards)):
        if rows := np.flatnonzero(index.shard == number).tolist():
            for row, audio in stream_audio(index, rows):
                yield index[row], bytes(audio)

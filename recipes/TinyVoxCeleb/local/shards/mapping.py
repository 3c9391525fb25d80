"""Audio at any place of the shards, read from memory-mapped archives."""

import mmap
import threading

from local.errors import RecipeError
from local.shards.audio import read_samples
from local.shards.opening import stamp


class MappedShards:
    """The audio of the utterances of an index, without reading what stands beside it.

    A process opens each shard once, when it first reads from it. Of the disk it reads the pages
    that are asked for, and none ahead.

    Arguments
    ---------
    index : ShardIndex
        Of shards that can be mapped, see `ShardIndex.mapped`.

    Raises
    ------
    RecipeError
        A shard that is compressed or elsewhere.
    """

    def __init__(self, index):
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

    def audio(self, row, begin=0, length=None):
        """The audio file of one utterance.

        Arguments
        ---------
        row : int
            Its number in the index.
        begin, length : int
            The bytes of it that will be read; all by default.

        Returns
        -------
        memoryview
            Of the whole file. The disk has been asked for the bytes that will be read.

        Raises
        ------
        RecipeError
            The shard has changed since it was indexed, or cannot be read.
        """
        number = self.index.shard.item(row)
        with self._lock:
            mapped = self._maps.get(number) or self._map(number)
        offset, size = self.index.offset.item(row), self.index.size.item(row)
        length = size if length is None else length
        page = (offset + begin) % mmap.PAGESIZE
        mapped.madvise(mmap.MADV_WILLNEED, offset + begin - page, length + page)
        return memoryview(mapped)[offset : offset + size]

    def samples(self, row, start=0, num_frames=None):
        """An utterance, or a part of it, as 16-bit samples.

        Arguments
        ---------
        row : int
        start, num_frames : int
            The part, in audio samples; all by default.

        Returns
        -------
        numpy.ndarray
            int16, shape (time,), a copy.
        """
        sample, pcm = self.index[row], self.index.pcm.item(row)
        num_frames = sample.num_frames - start if num_frames is None else num_frames
        part = (pcm + 2 * start, 2 * num_frames) if pcm >= 0 else ()
        encoded = self.audio(row, *part)
        return read_samples(encoded, sample, pcm, start=start, num_frames=num_frames).copy()

    def _map(self, number):
        shard = self.index.shards[number]
        if stamp(shard) != self.index.stamps[number]:
            raise RecipeError(f"{shard}: has changed since it was indexed; run the command again")
        with open(shard, "rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        mapped.madvise(mmap.MADV_RANDOM)
        self._maps[number] = mapped
        return mapped

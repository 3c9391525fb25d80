"""Audio of shards that can only be read from start to end.

The index tells where each utterance lies, so no archive has to be taken apart: webdataset's reader,
which does that in pieces of 10 KiB, is left to `read_shards`.
"""

import gzip
import tarfile

from local.errors import RecipeError
from local.shards.opening import open_shard, read_to_the_end
from local.shards.retrying import public

SKIPPED_AT_ONCE = 1 << 20  # bytes


def stream_audio(index, rows, *, shard_cache=None, stamp=None):
    """Give the encoded audio of utterances of one shard, which is opened once.

    Arguments
    ---------
    index : ShardIndex
    rows : list of int
        Numbers of utterances of one shard, in the order of the index.
    shard_cache, stamp
        See `open_shard`.

    Yields
    ------
    (int, memoryview)
        Row and audio file; the next one takes its place.

    Raises
    ------
    RecipeError
        The shard cannot be read, or has changed since it was indexed.
    """
    shard = index.shards[index.shard.item(rows[0])]
    buffer = bytearray(tarfile.BLOCKSIZE + int(index.size[rows].max()))
    with open_shard(shard, shard_cache, stamp) as file:
        end = 0
        for row in rows:
            # The header comes too: it tells whether this is still what was indexed.
            begin = index.offset.item(row) - tarfile.BLOCKSIZE
            _skip(file, begin, begin - end)
            size = index.size.item(row)
            end = begin + tarfile.BLOCKSIZE + size
            part = memoryview(buffer)[: end - begin]
            if _fill(file, part) < len(part) or not _is_header(part, size):
                raise RecipeError(
                    f"{public(str(shard))}: changed since it was indexed: {index[row].sample_id} "
                    "is not in its place; run the command again"
                )
            yield row, part[tarfile.BLOCKSIZE :]
        if isinstance(file, gzip.GzipFile):
            read_to_the_end(file)


def _skip(file, place, count):
    if file.seekable() and not isinstance(file, gzip.GzipFile):
        file.seek(place)
        return
    while count:
        skipped = len(file.read(min(count, SKIPPED_AT_ONCE)))
        if not skipped:
            return
        count -= skipped


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

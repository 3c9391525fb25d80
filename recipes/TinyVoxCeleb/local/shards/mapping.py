"""Audio at any place of the shards, read from memory-mapped archives.

Authors
 * The TinyVoxCeleb authors 2026
"""

import mmap

from local.errors import RecipeError


class MappedShards:
    """The encoded audio of the utterances of an index, without reading what stands beside it.

    A process opens each shard once, when it first reads from it.

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
                "them to a disk with python -m local.sources.staging"
            )
        self.index = index
        self._maps = {}

    def __getstate__(self):
        return {"index": self.index, "_maps": {}}  # another process opens its own

    def audio(self, row):
        """The audio file of one utterance.

        Arguments
        ---------
        row : int
            Its number in the index.

        Returns
        -------
        memoryview
            Its bytes, of which nothing has been read yet.

        Raises
        ------
        RecipeError
            The shard has become shorter since it was indexed.
        """
        number = self.index.shard.item(row)
        archive = self._maps.get(number)
        if archive is None:
            with open(self.index.shards[number], "rb") as file:
                # Pages are private and copied when written to, so that arrays over them are
                # writable, as torch wants them, and the file stays as it is.
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            archive = self._maps[number] = memoryview(mapped)
        begin = self.index.offset.item(row)
        audio = archive[begin : begin + self.index.size.item(row)]
        if len(audio) < self.index.size.item(row):
            raise RecipeError(
                f"{self.index.shards[number]}: shorter than when it was indexed; copy it again and "
                "remove the run's folder index/"
            )
        return audio

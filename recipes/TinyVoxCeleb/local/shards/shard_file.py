"""One shard: an archive of pairs of audio and JSON, whose bytes depend on nothing else."""

import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

from local.shards.checking import Recording
from local.shards.members import add_sample
from local.shards.places import Utterance
from local.shards.tree import LABELLED

AT_ONCE = 1 << 26  # bytes of a file that are written at once at the most


def shard_names(count: int, size: int) -> list[str]:
    """What the shards are called of so many samples, of which each shard holds `size`.

    Example
    -------
    >>> shard_names(5, 4)
    ['shard-000000.tar', 'shard-000001.partial.tar']
    """
    number = -(-count // size)
    names = [f"shard-{place:06d}.tar" for place in range(number)]
    if number > 1 and count % size:
        names[-1] = f"shard-{number - 1:06d}.partial.tar"
    return names


class Summed:
    """A file that is written from start to end, its bytes, and their CRC-32."""

    def __init__(self, file: BinaryIO):
        self._file, self.bytes, self.checksum = file, 0, 0

    def tell(self) -> int:
        """How many bytes are written."""
        return self.bytes

    def write(self, content: bytes) -> int:
        """Write some more."""
        self.checksum = zlib.crc32(content, self.checksum)
        self.bytes += len(content)
        return self._file.write(content)


def pack(
    file: Summed,
    split: str,
    recordings: Iterable[tuple[Utterance, Recording]],
    classes: Mapping[str, int],
    size: int,
) -> Iterator[tuple[int, Utterance, Recording]]:
    """Write what is without fault into a shard of up to `size` samples, and give it on, numbered.

    All is given on before the next is asked for: the audio lies in memory that is used again.
    """
    width = max(4, len(str(size - 1)))
    # PAX knows ids of any length and alphabet. A file is written at once: a thread that listens
    # takes the interpreter's lock at each write.
    options = {"format": tarfile.PAX_FORMAT, "copybufsize": AT_ONCE}
    with tarfile.open(fileobj=file, mode="w", **options) as archive:
        for place, (utterance, recording) in enumerate(recordings):
            if not recording.fault:
                suffix = ".wav" if recording.converted else utterance.suffix
                idx = classes[utterance.speaker] if split in LABELLED else None
                arguments = suffix, recording.encoded, recording.num_frames, idx
                add_sample(archive, f"{place:0{width}d}", utterance.id, *arguments)
                archive.members = []  # which tarfile would keep, 1 KB each
            yield place, utterance, recording

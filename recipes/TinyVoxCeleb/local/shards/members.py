"""Audio at any place of a shard, without reading what stands before it.

Authors
 * The TinyVoxCeleb authors 2026
"""

import contextlib
import tarfile
from dataclasses import dataclass
from pathlib import Path

from local.shards.schema import AUDIO_TYPES, split_key


@dataclass(frozen=True)
class AudioMember:
    """Where the audio of one sample lies.

    Arguments
    ---------
    shard : Path
    offset, size : int
        Of its bytes in the archive.
    """

    shard: Path
    offset: int
    size: int


def locate_audio(shards):
    """Where the audio of each sample lies, in the order of `index_shards`.

    Arguments
    ---------
    shards : list of Path
        Already checked by `index_shards`.

    Returns
    -------
    list of AudioMember
    """
    found = []
    for shard in shards:
        with tarfile.open(shard, "r:") as archive:
            found += [
                AudioMember(shard, member.offset_data, member.size)
                for member in archive
                if member.isreg() and split_key(member.name)[1] in AUDIO_TYPES
            ]
    return found


@contextlib.contextmanager
def open_audio(member):
    """Open the encoded audio of one sample as a file, for reading and seeking.

    Arguments
    ---------
    member : AudioMember

    Yields
    ------
    file object
    """
    info = tarfile.TarInfo()
    info.offset_data, info.size = member.offset, member.size
    with tarfile.open(member.shard, "r:") as archive, archive.extractfile(info) as file:
        yield file

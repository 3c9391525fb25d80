"""From shards to a stream of samples with their audio."""

import contextlib
import tarfile

from webdataset.tariterators import group_by_keys, tar_file_expander

from local.errors import RecipeError
from local.shards.headers import parse_sample
from local.shards.opening import open_shard
from local.shards.schema import AUDIO_TYPES, split_key


def read_shards(shards, shard_cache=None):
    """Stream samples with their encoded audio, shard after shard.

    Arguments
    ---------
    shards : iterable of Path or str
    shard_cache : str or Path, optional
        See `open_shard`.

    Yields
    ------
    (Sample, bytes)
        What the JSON tells, and the content of the wav or flac file.

    Raises
    ------
    RecipeError
        A truncated archive.
    """
    for shard in shards:
        with contextlib.closing(open_shard(shard, shard_cache)) as stream:
            members = tar_file_expander([{"url": str(shard), "stream": stream}])
            try:
                for raw in group_by_keys(members, keys=split_key):
                    audio = next(raw[suffix] for suffix in AUDIO_TYPES if suffix in raw)
                    yield parse_sample(raw["json"], f"{shard}: {raw['__key__']}.json"), audio
            except (tarfile.TarError, EOFError) as error:
                raise RecipeError(
                    f"{shard}: truncated or damaged archive ({error}); copy it again"
                ) from None

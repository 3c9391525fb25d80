"""From shards to an index of their samples, and to a stream of samples with audio.

Authors
 * The TinyVoxCeleb authors 2026
"""

import itertools
import json
import tarfile
from dataclasses import fields
from pathlib import Path

from tqdm import tqdm
from webdataset.tariterators import group_by_keys, tar_file_expander, url_opener

from local.corpora.layout import SAMPLE_RATE
from local.errors import RecipeError
from local.shards.schema import AUDIO_TYPES, Sample, ShardIndex, split_key


def list_shards(folder):
    """The shards of one split, in their order.

    Arguments
    ---------
    folder : str or Path
        Holds shard-*.tar.

    Returns
    -------
    list of Path

    Raises
    ------
    RecipeError
        There are none.
    """
    folder = Path(folder)
    shards = sorted(folder.glob("shard-*.tar"))
    if not shards:
        found = "holds none" if folder.is_dir() else "does not exist"
        raise RecipeError(f"{folder}: expected shards named shard-*.tar, but the folder {found}")
    return shards


def index_shards(folder):
    """Read and check what the shards of one split hold, without reading any audio.

    Arguments
    ---------
    folder : str or Path
        Holds shard-*.tar.

    Returns
    -------
    ShardIndex

    Raises
    ------
    RecipeError
        No shards; a truncated archive; a JSON without audio or the reverse; a JSON that lacks a
        field; a sample rate other than 16 kHz; empty audio; the same sample_id twice.
    """
    folder = Path(folder)
    shards = list_shards(folder)
    samples, seen = [], {}
    for shard in tqdm(shards, desc=f"{folder.name} index", disable=len(shards) < 3, leave=False):
        for sample in _index_shard(shard):
            if sample.sample_id in seen:
                raise RecipeError(
                    f"{shard}: duplicate sample_id {sample.sample_id}, already in "
                    f"{seen[sample.sample_id]}; write the shards anew"
                )
            seen[sample.sample_id] = shard.name
            samples.append(sample)
    if not samples:
        raise RecipeError(f"{folder}: the shards hold no samples")
    return ShardIndex(shards, samples)


def _index_shard(shard):
    try:
        with tarfile.open(shard, "r:") as archive:
            members = (member for member in archive if member.isreg())
            for key, group in itertools.groupby(members, lambda member: split_key(member.name)[0]):
                files = sorted(group, key=lambda member: split_key(member.name)[1])
                types = [split_key(member.name)[1] for member in files]
                if types not in (["flac", "json"], ["json", "wav"]):
                    raise RecipeError(
                        f"{shard}: {key} comes as {', '.join(types)}: expected a pair of audio "
                        "(wav or flac) and json, one after the other"
                    )
                text = archive.extractfile(files[types.index("json")]).read()
                yield _parse(text, f"{shard}: {key}.json")
            # An archive ends with blocks of zeros; one cut between two members has none.
            complete = shard.stat().st_size >= archive.offset + tarfile.BLOCKSIZE
    except (tarfile.TarError, EOFError) as error:
        raise RecipeError(
            f"{shard}: truncated or damaged archive ({error}); copy it again"
        ) from None
    if not complete:
        raise RecipeError(f"{shard}: truncated archive (its end is missing); copy it again")


def _parse(text, where):
    try:
        values = json.loads(text)
        sample = Sample(**{field.name: values[field.name] for field in fields(Sample)})
    except KeyError as error:
        raise RecipeError(f"{where}: the field {error} is missing") from None
    except (ValueError, TypeError) as error:
        raise RecipeError(f"{where}: not the JSON of a sample ({error})") from None
    names = (sample.sample_id, sample.speaker_id, sample.youtube_id, sample.utterance_id)
    if not all(isinstance(name, str) for name in names):
        raise RecipeError(f"{where}: sample_id and its parts are {names}: expected text")
    if sample.sampling_rate != SAMPLE_RATE:
        raise RecipeError(
            f"{where}: sampling_rate is {sample.sampling_rate}, expected {SAMPLE_RATE}: convert "
            "the audio and write the shards anew"
        )
    if not isinstance(sample.num_frames, int) or sample.num_frames < 1:
        raise RecipeError(f"{where}: num_frames is {sample.num_frames}: the audio is empty")
    return sample


def read_shards(shards):
    """Stream samples with their encoded audio, shard after shard.

    Arguments
    ---------
    shards : iterable of Path

    Yields
    ------
    (Sample, bytes)
        What the JSON tells, and the content of the wav or flac file.
    """
    urls = ({"url": str(Path(shard).absolute())} for shard in shards)
    try:
        yield from _pairs(group_by_keys(tar_file_expander(url_opener(urls)), keys=split_key))
    except tarfile.TarError as error:
        raise RecipeError(f"a shard is truncated or damaged ({error}); copy it again") from None


def _pairs(grouped):
    for raw in grouped:
        audio = next(raw[suffix] for suffix in AUDIO_TYPES if suffix in raw)
        yield _parse(raw["json"], f"{raw['__url__']}: {raw['__key__']}.json"), audio

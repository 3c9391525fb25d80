"""What a shard holds: pairs of audio and JSON, what each tells, and where in it they begin."""

import io
import itertools
import unicodedata
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from local.corpora.decoding import MAX_FRAMES
from local.errors import RecipeError
from local.layout import SAMPLE_RATE, utterance_key
from local.metadata import MOST_CLASSES
from local.shards.addresses import public
from local.shards.archives import DAMAGED, read_members
from local.stored import parse_json

AUDIO_TYPES = ("wav", "flac")
HEAD = 4096  # bytes of an audio file in which its PCM has begun


@dataclass(frozen=True)
class Sample:
    """What a shard tells of one utterance."""

    sample_id: str  # "speaker/session/utterance"; "eval/wav/<hash>" for evaluation files
    num_frames: int  # audio samples, of 16 kHz always
    class_idx: int | None  # of a training speaker; None for dev and eval

    @property
    def speaker_id(self) -> str:
        """The first part of the sample_id."""
        return self.sample_id.split("/")[0]

    @property
    def key(self) -> str:
        """The id by which trial and score lists name this utterance."""
        return utterance_key(self.sample_id)


def split_key(name: str) -> tuple[str, str]:
    """Split a member's name at its last extension: ids may hold '.', '-' and '_'.

    Example
    -------
    >>> split_key("0017/id10012/0AX-_jx.v2/00001.wav")
    ('0017/id10012/0AX-_jx.v2/00001', 'wav')
    """
    key, _, suffix = name.rpartition(".")
    return (key, suffix.lower()) if key and "/" not in suffix else (name, "")


def read_headers(
    file: BinaryIO, shard: Path | str
) -> Iterator[tuple[str, int, int, int, int, int]]:
    """Go through an archive, from start to end, and check its pairs.

    Yields the sample_id, offset, size, pcm, num_frames and class_idx of each, see `ShardIndex`.

    Raises
    ------
    RecipeError
        A truncated or damaged archive; a JSON without audio or the reverse, without one of its
        fields, or of another sample than its name tells; a sample rate other than 16 kHz; empty
        audio.
    """
    shard, found = public(shard), False
    try:
        members = read_members(file)
        for key, group in itertools.groupby(members, lambda pair: split_key(pair[0].name)[0]):
            yield _read_pair(key, group, shard)
            found = True
    except DAMAGED as error:
        raise RecipeError(
            f"{shard}: truncated or damaged archive ({error}); copy it again"
        ) from None
    if not found:
        raise RecipeError(f"{shard}: holds no samples: expected some; copy it again, or remove it")


def _read_pair(key, group, shard):
    audio, text, types = None, None, []
    for member, content in group:  # one after the other, as a stream gives them
        types.append(split_key(member.name)[1])
        if types[-1] == "json":
            text = content.read()
        else:
            audio, head = member, content.read(HEAD)
    if sorted(types) not in (["flac", "json"], ["json", "wav"]):
        raise RecipeError(
            f"{shard}: {key} comes as {', '.join(sorted(types))}: expected a pair of audio "
            "(wav or flac) and json, one after the other"
        )
    sample = parse_sample(text, f"{shard}: {key}.json")
    if not f"/{key}".endswith(f"/{sample.sample_id}"):
        raise RecipeError(
            f"{shard}: {key}.json tells of {sample.sample_id}: expected the sample that it is "
            "named after; copy the shard again, or write it anew"
        )
    pcm = find_pcm(head, audio.size, sample.num_frames)
    class_idx = -1 if sample.class_idx is None else sample.class_idx
    return sample.sample_id, audio.offset_data, audio.size, pcm, sample.num_frames, class_idx


def parse_sample(text: bytes, where: str) -> Sample:
    """Read and check the JSON of a sample, which messages name as `where`."""
    try:
        values = parse_json(text)
        sample = Sample(values["sample_id"], values["num_frames"], values["class_idx"])
        parts = (values["speaker_id"], values["youtube_id"], values["utterance_id"])
        rate = values["sampling_rate"]
    except KeyError as error:
        raise RecipeError(f"{where}: the field {error} is missing") from None
    except (ValueError, TypeError) as error:
        raise RecipeError(f"{where}: not the JSON of a sample ({error})") from None
    if not all(isinstance(name, str) for name in (sample.sample_id, *parts)):
        raise RecipeError(
            f"{where}: sample_id and its parts are {(sample.sample_id, *parts)}: expected text"
        )
    if sample.sample_id != "/".join(parts):
        raise RecipeError(
            f"{where}: sample_id is {sample.sample_id}, but its parts are {' / '.join(parts)}: "
            "expected speaker_id/youtube_id/utterance_id"
        )
    if not all(map(_is_name, parts)):
        raise RecipeError(
            f"{where}: sample_id is {sample.sample_id!r}: expected three names, without '/', line "
            "breaks and other control characters"
        )
    if rate != SAMPLE_RATE:
        raise RecipeError(
            f"{where}: sampling_rate is {rate}, expected {SAMPLE_RATE}: convert the audio and "
            "write the shards anew"
        )
    if type(sample.num_frames) is not int or sample.num_frames < 1:
        raise RecipeError(f"{where}: num_frames is {sample.num_frames}: the audio is empty")
    if sample.num_frames >= MAX_FRAMES:
        raise RecipeError(
            f"{where}: num_frames is {sample.num_frames}: expected the number of audio samples; "
            "write the shards anew"
        )
    idx = sample.class_idx
    if idx is not None and (type(idx) is not int or not 0 <= idx < MOST_CLASSES):
        raise RecipeError(
            f"{where}: class_idx is {idx!r}: expected the integer class of a training speaker, "
            "or null"
        )
    return sample


def _is_name(part):
    kinds = map(unicodedata.category, part)  # C… of characters that are none, such as surrogates
    return part and "/" not in part and not {"Cc", "Cs", "Cn", "Zl", "Zp"}.intersection(kinds)


def find_pcm(head: bytes, size: int, num_frames: int) -> int:
    """Where in a wav file its 16-bit mono PCM begins, in bytes.

    It is -1 where the file is none, or holds another number of audio samples: then it has to be
    decoded, with all the checks of `decode`. `head` is the beginning of its `size` bytes.
    """
    file = io.BytesIO(head)
    try:
        with wave.open(file) as header:
            found = (header.getframerate(), header.getnchannels(), header.getsampwidth())
            begin = file.tell()
            length = header.getnframes()
    except (wave.Error, EOFError, RuntimeError):  # the last of a chunk longer than what holds it
        return -1
    expected = found == (SAMPLE_RATE, 1, 2) and length == num_frames
    return begin if expected and begin + 2 * num_frames <= size else -1

"""Pairs of audio and JSON in archives, as `headers` reads them, for all that write shards."""

import io
import itertools
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path

from local.layout import SAMPLE_RATE
from local.shards.complete import ManifestEntry, write_manifest

A_SHARD = 1000  # samples


def add_sample(
    archive: tarfile.TarFile,
    place: str,
    sample_id: str,
    suffix: str,
    encoded: bytes,
    num_frames: int,
    class_idx: int | None = None,
) -> None:
    """Add a sample: its audio file, of wav or flac as the suffix tells, then its JSON.

    Their names begin with its place in the shard, zero-padded. It is as many audio samples long;
    a training speaker has a class.
    """
    speaker, session, utterance = sample_id.split("/")
    sample = {
        "sample_id": sample_id,
        "speaker_id": speaker,
        "youtube_id": session,
        "utterance_id": utterance,
        "num_frames": num_frames,
        "sampling_rate": SAMPLE_RATE,
        "class_idx": class_idx,
    }
    _add(archive, f"{place}/{sample_id}{suffix}", encoded)
    _add(archive, f"{place}/{sample_id}.json", json.dumps(sample).encode())


def write_samples(folder: Path, samples: Iterable[tuple[str, str, bytes, int]]) -> None:
    """Write samples without classes into shards in a folder, with their manifest.

    Each is a sample_id, and the suffix, content and length in audio samples of its file.
    """
    samples, entries = iter(samples), []
    for first in samples:
        name, count = f"shard-{len(entries):06d}.tar", 0
        with tarfile.open(folder / name, "w", format=tarfile.PAX_FORMAT) as archive:
            for sample in itertools.chain([first], itertools.islice(samples, A_SHARD - 1)):
                add_sample(archive, f"{count:04d}", *sample)
                count += 1
        entries.append(ManifestEntry(name, count))
    write_manifest(folder, entries)


def _add(archive, name, content):
    """Add a file whose header tells no clock and no user, so that archives are reproducible."""
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.uname, member.gname = len(content), 0o644, "root", "root"
    archive.addfile(member, io.BytesIO(content))

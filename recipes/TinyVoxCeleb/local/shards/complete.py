"""Whether the shards of a split are all there: by their manifest, or else by their numbers.

The manifest stands beside the shards and tells their names, samples and bytes, and a digest of the
audio of each sample. The original data has none: there, a number that is missing between others
shows that a copy was interrupted.
"""

import base64
import collections
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from local.errors import RecipeError, first_of
from local.files import atomic_file
from local.shards.addresses import ARCHIVES, public, shard_name
from local.stored import parse_json

MANIFEST = "shards.json"
# Files of other kinds that may lie beside shards; what a copying program leaves has other endings.
BESIDE = (
    *(".json", ".txt", ".csv", ".yaml", ".idx", ".index", ".npz", ".log", ".lock", ".asc", ".sig"),
    *(".md5", ".sha1", ".sha256", ".sha512", ".md5sum", ".sha1sum", ".sha256sum", ".crc"),
)
UNFINISHED = re.compile(
    r"[^.].*\.(tar|tgz)\b.*"
    r"\.(part|partial|filepart|crdownload|opdownload|download|aria2|tmp|temp|!ut|!qb)",
    re.I,
)
DIGEST = 16  # bytes of the SHA-256 of 16-bit samples


@dataclass(frozen=True)
class ManifestEntry:
    """What a manifest tells of a shard; None for what it does not tell."""

    name: str  # under which the shard was written
    samples: int | None = None
    bytes: int | None = None
    digests: np.ndarray | None = None  # uint8 (samples, DIGEST), see `ShardIndex`

    def check(self, shard: Path | str, stamp: str, samples: int | None = None) -> None:
        """Check what a shard was found to hold: its bytes, as its stamp has them, and its samples.

        The bytes of a shard that was packed or renamed since are not compared.
        """
        size = size_of(stamp) if shard_name(shard) == self.name else None
        pairs = (size, self.bytes, "bytes"), (samples, self.samples, "samples")
        for found, expected, what in pairs:
            if None not in (found, expected) and found != expected:
                raise RecipeError(
                    f"{public(shard)}: holds {found:,} {what} where {MANIFEST} tells {expected:,}; "
                    "copy it again"
                )


def size_of(stamp: str | None) -> int | None:
    """The bytes of a shard by its stamp, see `stamp_of`; None where it does not tell them."""
    size = (stamp or "").partition(" ")[0]
    return int(size) if size.isdigit() else None


def write_manifest(folder: Path, shards: Iterable[ManifestEntry]) -> None:
    """Tell beside shards which there are; their bytes are those that are there now."""
    values = {}
    for entry in shards:
        values[entry.name] = {"samples": entry.samples, "bytes": _size(folder / entry.name)}
        if entry.digests is not None:
            values[entry.name]["audio"] = base64.b64encode(entry.digests.tobytes()).decode()
    with atomic_file(folder / MANIFEST) as fout:
        fout.write(json.dumps({"shards": values}, indent=1) + "\n")


def _size(path):
    return path.stat().st_size if path.exists() else None


def read_manifests(shards: Iterable[Path | str]) -> dict[Path | str, ManifestEntry]:
    """What the manifests beside those of the shards that are local tell of them."""
    local = [shard for shard in shards if isinstance(shard, Path)]
    entries = {}
    for folder in dict.fromkeys(shard.parent for shard in local):
        if (path := folder / MANIFEST).is_file():
            entries[folder] = _parse(path.read_bytes(), path)
    found = {shard: entries.get(shard.parent, {}).get(_plain(shard.name)) for shard in local}
    return {shard: entry for shard, entry in found.items() if entry}


def check_complete(
    folder: Path | str,
    shards: list[Path | str],
    others: Iterable[str] = (),
    manifest: bytes | None = None,
) -> dict[Path | str, ManifestEntry]:
    """Check that no shard of a folder is missing, none is there twice, and none is half copied.

    `others` are the names of all other files there; `manifest` is the content of the folder's
    manifest, None where there is none: it knows the shards, and what it tells of each is returned.
    Without it, and where others were added, numbers are to be 0, 1, and so on. Packed and plain
    shards, and partial ones that were renamed, have one name.
    """
    names = list(map(shard_name, shards))
    _check_once(public(folder), names)
    if manifest is None:
        _check_others(public(folder), others)
        _check_numbers(public(folder), names)
        return {}
    known = _parse(manifest, f"{public(folder).rstrip('/')}/{MANIFEST}")
    found = {_plain(shard_name(shard)): shard for shard in shards}
    _check_others(public(folder), others, there=set(known) & set(found))
    where = f"{public(folder)}: {MANIFEST} tells of {len(known)} shards, "
    if missing := sorted(set(known) - set(found)):
        raise RecipeError(f"{where}and {_are(missing)} missing; copy the folder again")
    if set(found) - set(known):  # added later: numbered on
        _check_numbers(public(folder), names)
    return {found[name]: entry for name, entry in known.items()}


def _by_number(names):
    numbered = collections.defaultdict(list)
    for name in names:
        if number := re.match(r"shard-(\d+)", name):
            numbered[int(number[1])].append(name)
    return numbered


def _check_once(folder, names):
    numbered = _by_number(names)
    if twice := next((same for same in numbered.values() if len(same) > 1), None):
        raise RecipeError(
            f"{folder}: {' and '.join(twice)} have one number; remove those of another set"
        )


def _check_others(folder, names, there=frozenset()):
    """Name what looks like a shard, and would be passed over; but no leftover of one that is there.

    rsync puts a "." before the name of what it copies, and letters behind.
    """
    strays = []
    for name in sorted(names):
        lower = name.lower()
        alike = re.match(r"\.?shard-", lower) and not lower.endswith(BESIDE)
        stem = re.match(r"\.?(.*?)(\.partial)?(\.tar|\.tgz|$)", lower)[1]
        if (alike or UNFINISHED.fullmatch(name)) and stem not in there:
            strays.append(name)
    if strays:
        endings = ", ".join(ARCHIVES)
        raise RecipeError(
            f"{folder}: {first_of(strays)}: no shard-* with the ending {endings}; finish what was "
            "copied in part, rename or unpack what is a shard, and remove all else"
        )


def _check_numbers(folder, names):
    numbered = _by_number(names)
    absent = sorted(set(range(max(numbered, default=-1) + 1)) - set(numbered))
    if absent:
        raise RecipeError(
            f"{folder}: {len(numbered)} of {max(numbered) + 1} shards are there, "
            f"{_are([f'shard-{number:06d}' for number in absent])} missing; copy the folder again, "
            "or name those to be read: shard-{000000..000003}.tar"
        )


def _are(names):
    return f"{first_of(names)} {'is' if len(names) == 1 else 'are'}"


def _plain(name):
    ending = next((ending for ending in ARCHIVES if name.endswith(ending)), "")
    return name.removesuffix(ending).removesuffix(".partial")


def _parse(manifest, where):
    """What a manifest tells of each shard, by its name without endings."""
    try:
        shards = parse_json(manifest)["shards"]
        return {_plain(name): _parse_shard(name, **values) for name, values in shards.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecipeError(f"{where}: not a list of shards ({error}); copy it again") from None


def _parse_shard(name, samples=None, bytes=None, audio=None, **_):
    for number in (samples, bytes):
        if not (number is None or (type(number) is int and number >= 0)):
            raise TypeError(f"{name} is to have a number of samples and bytes, not {number!r}")
    if audio is None:
        return ManifestEntry(name, samples, bytes)
    digests = np.frombuffer(base64.b64decode(audio, validate=True), np.uint8)
    if samples is None or digests.size != samples * DIGEST:
        raise ValueError(f"{name} has digests of {digests.size // DIGEST} samples, not {samples}")
    return ManifestEntry(name, samples, bytes, digests.reshape(samples, DIGEST))

"""Whether the shards of a split are all there: by their manifest, or else by their numbers.

The manifest stands beside the shards and tells their names, samples and bytes. The original data
has none: there, a number that is missing between others shows that a copy was interrupted.
"""

import collections
import json
import re
from pathlib import Path

from local.errors import RecipeError
from local.files import atomic_file, parse_json
from local.shards.addresses import ARCHIVES, public, shard_name

MANIFEST = "shards.json"
NAMED = 5  # of what is missing: so many are listed


def write_manifest(folder: Path, samples: dict[str, int | None]) -> None:
    """Tell beside shards which there are: their names, with the samples of each where known."""
    values = {
        name: {"samples": count, "bytes": _size(folder / name)} for name, count in samples.items()
    }
    with atomic_file(folder / MANIFEST) as fout:
        fout.write(json.dumps({"shards": values}, indent=1) + "\n")


def _size(path):
    return path.stat().st_size if path.exists() else None


def check_complete(
    folder: Path | str, shards: list[Path | str], manifest: bytes | None = None
) -> None:
    """Check that no shard of a folder is missing, and that none is there twice.

    `manifest` is the content of the folder's manifest, None where there is none: it knows the
    shards. Without it, and where others were added, numbers are to be 0, 1, and so on. Packed and
    plain shards, and partial ones that were renamed, have one name; the bytes of local ones are
    compared, if they are packed as before.
    """
    names = list(map(shard_name, shards))
    _check_once(public(folder), names)
    if manifest is None:
        _check_numbers(public(folder), names)
        return
    expected = _parse(manifest, f"{public(folder).rstrip('/')}/{MANIFEST}")
    known = {_plain(name): (name, told) for name, told in expected.items()}
    found = {_plain(shard_name(shard)): shard for shard in shards}
    where = f"{public(folder)}: {MANIFEST} tells of {len(known)} shards, "
    if missing := sorted(set(known) - set(found)):
        raise RecipeError(f"{where}and {_few(missing)} missing; copy the folder again")
    if set(found) - set(known):  # added later: numbered on
        _check_numbers(public(folder), names)
    for plain, (name, told) in known.items():
        shard = found[plain]
        if not isinstance(shard, Path) or shard.name != name or told["bytes"] is None:
            continue
        if (size := shard.stat().st_size) != told["bytes"]:
            raise RecipeError(
                f"{shard}: holds {size:,} bytes where {MANIFEST} tells {told['bytes']:,}; copy it "
                "again"
            )


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


def _check_numbers(folder, names):
    numbered = _by_number(names)
    absent = sorted(set(range(max(numbered, default=-1) + 1)) - set(numbered))
    if absent:
        raise RecipeError(
            f"{folder}: {len(numbered)} of {max(numbered) + 1} shards are there, "
            f"{_few([f'shard-{number:06d}' for number in absent])} missing; copy the folder again, "
            "or name those to be read: shard-{000000..000003}.tar"
        )


def _few(names):
    listed = ", ".join(names[:NAMED])
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{listed}{more} {'is' if len(names) == 1 else 'are'}"


def _plain(name):
    ending = next((ending for ending in ARCHIVES if name.endswith(ending)), "")
    return name.removesuffix(ending).removesuffix(".partial")


def _parse(manifest, where):
    try:
        shards = parse_json(manifest)["shards"]
        if not all(isinstance(told["bytes"], int | None) for told in shards.values()):
            raise TypeError("bytes are to be a number")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecipeError(f"{where}: not a list of shards ({error}); copy it again") from None
    return shards

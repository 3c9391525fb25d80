"""NeMo's manifests of pairs of files, read as the trial lists that they are.

One JSON object a line, as NeMo takes it where `is_audio_pair` is set: "audio_filepath" has the two
files, and "label" is 1 (same speaker) or 0, as text or as a number. What else is there, such as a
duration, is passed over. NeMo's other trial lists have the form of VoxCeleb's.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from local.errors import RecipeError
from local.scoring.lines import shown
from local.scoring.trial_forms import LABELS
from local.stored import check_file, parse_json, read_lines

KIND = "trial list"  # in messages
START = 4096  # bytes in which a manifest has named its first files
EXPECTED = (
    'expected {"audio_filepath": ["one.wav", "other.wav"], "label": 1} with label 1 (same speaker) '
    "or 0, as NeMo's manifests of pairs are"
)


def trial_lines(path: str | Path) -> Iterator[str]:
    """The lines of a trial list; those of a manifest of pairs become ``label id1 id2``.

    Raises
    ------
    RecipeError
        See `read_lines`; with its number, a line of a manifest that tells no pair.
    """
    check_file(path, KIND)
    with open(path, "rb") as file:
        start = file.read(START).removeprefix(b"\xef\xbb\xbf").lstrip()
    if not (start.startswith(b"{") and b'"audio_filepath"' in start.partition(b"\n")[0]):
        yield from read_lines(path, KIND)
        return
    with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:
        for number, line in enumerate(file, start=1):
            yield _as_trial(line, f"{path}:{number}") if line.strip() else line


def _as_trial(line, where):
    try:
        entry = parse_json(line)
        files, label = entry["audio_filepath"], str(entry.get("label", -1)).lower()
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RecipeError(f"{where}: malformed trial {shown(line)}: {EXPECTED}") from None
    pair = files if isinstance(files, list) else [files]
    if len(pair) != 2 or not all(isinstance(name, str) for name in pair) or label not in LABELS:
        raise RecipeError(f"{where}: {_found(pair, label)}: {EXPECTED}")
    if any(len(name.split()) != 1 for name in pair):
        raise RecipeError(f"{where}: {shown(json.dumps(pair))}: no path may hold blanks; rename it")
    return f"{LABELS[label]} {pair[0]} {pair[1]}\n"


def _found(pair, label):
    if len(pair) != 2:
        return f"{len(pair)} file{'s' * (len(pair) != 1)}"
    return f"the files {shown(json.dumps(pair))} with the label {shown(label)}"

"""The recordings that somebody names: files, folders, or a list from standard input."""

import sys
from collections.abc import Sequence
from pathlib import Path

from local.corpora.audio_files import Ignored, find_audio
from local.corpora.speaker_tree import AUDIO_EXTENSIONS
from local.errors import RecipeError


def find_recordings(names: Sequence[str]) -> list[Path]:
    """All recordings that names stand for, each once.

    A folder stands for those below it, sorted; "-" for the paths, one a line, that come from
    standard input.

    Raises
    ------
    RecipeError
        A file is not there; a folder, or standard input, holds no recording.
    """
    paths = []
    for name in names:
        if name == "-":
            lines = [line.strip() for line in sys.stdin]
            found = [path for line in lines if line for path in find_recordings([line])]
        elif Path(name).is_dir():
            found = sorted(find_audio(name, AUDIO_EXTENSIONS, Ignored(), repeated=True))
        elif Path(name).is_file() or "://" in name:
            found = [Path(name) if "://" not in name else name]
        else:
            raise RecipeError(f"{name}: no such recording")
        if not found:
            where = "standard input: no path of a recording in it" if name == "-" else name
            raise RecipeError(where if name == "-" else f"{name}: no recording in this folder")
        paths += found
    return list(dict.fromkeys(paths))

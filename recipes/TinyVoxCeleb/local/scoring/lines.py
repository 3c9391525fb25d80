"""Lines and ids of trial, enrolment and score lists, and how messages quote them."""

import re
from collections.abc import Iterable
from pathlib import Path

from local.errors import RecipeError

SHOWN = 200  # characters of a line or an id that a message repeats
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def brief(text: str, most: int = SHOWN) -> str:
    """A text without what is more of it than helps in a message."""
    return text if len(text) <= most else f"{text[:most]}…"


def shown(line: str) -> str:
    """A line as messages quote it.

    Example
    -------
    >>> print(shown("1 a\\n"), len(shown("x" * 10**6)))
    '1 a' 203
    """
    text = brief(line.strip())
    # Of what cannot be printed, each character takes four.
    return repr(text if len(repr(text)) < 2 * SHOWN else brief(text, SHOWN // 8))


def check_undamaged(names: Iterable[str], path: str | Path) -> None:
    """Check the ids of a list; one with control characters is a RecipeError, as none has any."""
    damaged = next(filter(CONTROL.search, names), None)
    if damaged is not None:
        raise RecipeError(f"{path}: {shown(damaged)} is no id but damage: copy the list anew")


def without_wav(name: str) -> str:
    """An id as score lists have it."""
    return name[:-4] if name[-4:].lower() == ".wav" else name

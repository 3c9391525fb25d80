"""Lines and ids of trial and score lists, as messages quote them."""

SHOWN = 200  # characters of a line or an id that a message repeats


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

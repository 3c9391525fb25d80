"""Pieces of the page's answers in HTML; whatever stands in them is escaped."""

import functools
from collections.abc import Callable, Iterable, Sequence

from markupsafe import Markup

from local.errors import RecipeError


def told(answer: Callable) -> Callable:
    """An answer that tells what the user can mend, in the place of what was asked for."""

    @functools.wraps(answer)
    def answer_or_error(*args):
        try:
            return answer(*args)
        except (RecipeError, OSError) as error:
            return wrong(str(error))

    return answer_or_error


def wrong(message: str) -> Markup:
    """An error as it stands on the page."""
    return Markup('<p class="wrong" role="alert">{}</p>').format(message)


def figure(picture: Markup, caption: str) -> Markup:
    """A picture and what it shows."""
    return Markup("<figure>{}<figcaption>{}</figcaption></figure>").format(picture, caption)


def is_wrong(answer: str) -> bool:
    """Whether an answer is an error."""
    return str(answer).startswith('<p class="wrong"')


def headline(text: str) -> Markup:
    """The answer in one sentence."""
    return Markup('<p class="headline" role="status">{}</p>').format(text)


def table(head: Sequence[str], rows: Iterable[Iterable]) -> Markup:
    """A table."""
    cells = Markup("").join(Markup("<th scope=col>{}</th>").format(cell) for cell in head)
    lines = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(Markup("<td>{}</td>").format(cell) for cell in row)
        )
        for row in rows
    )
    return Markup(
        '<div class="wide"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(cells, lines)

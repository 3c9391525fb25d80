"""Figures as inline SVG: small, with large type, safe to stand beside others on one page."""

import io
import re
from collections.abc import Callable

import matplotlib
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH = 4.1  # inches: on a phone's 360 pixels the type below is still 11 pixels high
# For any colour vision (M. Okabe and K. Ito, "Color universal design", 2008), without the yellow,
# which is too pale on white.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
TARGET, NONTARGET = COLOURS[:2]
INK, LINE = "#1c2126", "#8a939c"
STYLE = {
    "font.size": 9.5,
    "axes.labelsize": 9.5,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "legend.borderpad": 0,
    "legend.handlelength": 1.6,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": LINE,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e8ebee",
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.8,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "text.parse_math": False,  # names may hold a $
    "svg.fonttype": "none",  # text stays text: sharp, found by a search, read by screen readers
}


def picture(
    name: str, title: str, draw: Callable[[Figure], None], *, height: float = 3.1
) -> Markup:
    """Draw a figure and write it as an <svg> element of an HTML page, equal for equal drawings.

    Arguments
    ---------
    name : str
        Different from every other on the page: it makes the ids inside the figure unique.
    title : str
        What the figure shows, for those who do not see it.
    draw : callable
        Draws into the empty figure.
    height : float
        In inches; the width is the same for all.

    Example
    -------
    >>> picture("f1", "A < B", lambda figure: figure.add_subplot())[:60]
    Markup('<svg role="img" aria-labelledby="f1-title" class="picture" x')
    """
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        figure.get_layout_engine().set(h_pad=0.08)  # inches: a marker at the edge meets no legend
        draw(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return _element(buffer.getvalue(), name, title)


def legend_above(figure: Figure, axes: Axes, **options) -> None:
    """Put the legend above the axes, where it hides no curve; the options are matplotlib's."""
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", **options)


def _element(document, name, title):
    svg = document[document.index("<svg") :].strip()
    # Page-wide rules and a second vocabulary of metadata have no place inside a page.
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    # The page gives the size, the viewBox the proportions.
    svg = re.sub(r'^(<svg[^>]*?) width="[^"]*"', r"\1", svg)
    svg = re.sub(r'^(<svg[^>]*?) height="[^"]*"', r"\1", svg)
    start = f'<svg role="img" aria-labelledby="{name}-title" class="picture"'
    heading = f'><title id="{name}-title">{escape(title)}</title>'
    return Markup(start + svg.removeprefix("<svg").replace(">", heading, 1))

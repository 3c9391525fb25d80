"""The DET curve of one or more trial lists or systems."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.stats import norm
from sklearn.metrics import DetCurveDisplay

from local.files import atomic_file
from local.metrics.roc import convex_hull, roc

LIMITS = (0.0005, 0.6)  # error rates outside are of no interest to a verification system
CLIP = (LIMITS[0], 1 - 1e-9)
TICKS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
STEPS = 500  # the width of the axes in the smallest distance that is told apart
COLOURS = tuple(f"C{number}" for number in range(10))
MARKERS = ("D", "s", "^", "v")  # of the operating points, in the order of their priors

# Of each curve, by its name: scores, labels (1 or 0) and convex-hull EER.
Curves = dict[str, tuple[np.ndarray, np.ndarray, float]]


def plot_det(path: str | Path, curves: Curves) -> None:
    """Draw DET curves in a PNG file of their own."""
    figure = Figure(figsize=(6, 6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(title="Detection error trade-off")
    draw_det(axes, curves)
    axes.legend(loc="upper right")
    with atomic_file(path, "wb") as fout:
        figure.savefig(fout, format="png", dpi=150)


def draw_det(
    axes: Axes,
    curves: Curves,
    p_targets: Sequence[float] = (),
    colours: Sequence[str] = COLOURS,
) -> None:
    """Draw DET curves on normal-deviate axes [1], with their convex hulls and operating points.

    The artists have labels for a legend, which is left to the caller. At each of the priors of a
    target, `p_targets`, a curve gets a point where its detection cost is least. More curves than
    colours begin with the first colour again.

    References
    ----------
    [1] A. Martin et al., "The DET curve in assessment of detection task performance", Eurospeech
    1997.
    """
    for number, (name, (scores, labels, eer)) in enumerate(curves.items()):
        colour = colours[number % len(colours)]
        false_alarm, miss = roc(scores, labels)
        seen = thin(false_alarm, miss)
        # Rates below the axes run along them: without errors the picture would be empty.
        curve = DetCurveDisplay(fpr=false_alarm[seen].clip(*CLIP), fnr=miss[seen].clip(*CLIP))
        curve.plot(ax=axes, name=f"{name}: EER {eer:.2%}", color=colour)
        hull = convex_hull(false_alarm, miss)
        dense = np.union1d(hull[0], np.linspace(0, 1, 5001))  # straight in the ROC, curved here
        bound = np.interp(dense, *hull)
        seen = thin(dense, bound)
        axes.plot(*deviates(dense[seen], bound[seen]), color=colour, linestyle=":")
        points = [(eer, eer, "o")]
        for p_target, marker in zip(p_targets, MARKERS, strict=False):
            best = np.argmin(p_target * miss + (1 - p_target) * false_alarm)
            points.append((false_alarm[best], miss[best], marker))
        for *rates, marker in points:  # at the edge where they are beyond
            axes.plot(*deviates(*np.clip(rates, *LIMITS)), marker, color=colour, clip_on=False)
    # What looks alike for each curve has one entry in the legend.
    axes.plot([], [], ":", color="0.3", label="convex hull")
    axes.plot([], [], "o", color="0.3", label="EER")
    for p_target, marker in zip(p_targets, MARKERS, strict=False):
        axes.plot([], [], marker, color="0.3", label=f"minDCF, prior {p_target:g}")
    axes.plot(norm.ppf(LIMITS), norm.ppf(LIMITS), color="0.8", linewidth=0.8, zorder=0)
    axes.set(
        xlabel="False alarm rate (%)",
        ylabel="Miss rate (%)",
        xlim=norm.ppf(LIMITS),
        ylim=norm.ppf(LIMITS),
        xticks=norm.ppf(TICKS),
        yticks=norm.ppf(TICKS),
        xticklabels=[f"{100 * tick:g}" for tick in TICKS],
        yticklabels=[f"{100 * tick:g}" for tick in TICKS],
        aspect="equal",
    )
    axes.grid(color="0.93")
    if axes.get_legend():  # scikit-learn's display makes one of its own
        axes.get_legend().remove()


def deviates(
    false_alarm: float | np.ndarray, miss: float | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where error rates lie on the axes: rates beyond them are moved to their edge."""
    return tuple(norm.ppf(np.atleast_1d(rates).clip(*CLIP)) for rates in (false_alarm, miss))


def thin(false_alarm: np.ndarray, miss: np.ndarray) -> np.ndarray:
    """Rising indices of the points of a monotone curve that can be told apart on the axes.

    They are at most about twice `STEPS`, and always hold the ends.

    Example
    -------
    >>> rates = np.linspace(0, 1, 100_000)
    >>> len(thin(rates, 1 - rates)) < 1010
    True
    """
    low, high = norm.ppf(LIMITS)
    cells = np.round(
        (np.stack(deviates(false_alarm, miss)).clip(low, high) - low) / (high - low) * STEPS
    )
    moved = (np.diff(cells) != 0).any(axis=0)
    keep = np.append(True, moved)
    keep[-1] = True
    return np.flatnonzero(keep)

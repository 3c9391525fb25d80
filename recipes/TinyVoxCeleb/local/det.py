"""The DET curve of one or more trial lists, as a picture.

Authors
 * The TinyVoxCeleb authors 2026
"""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.stats import norm
from sklearn.metrics import DetCurveDisplay

from local.atomic import atomic_file
from local.metrics import convex_hull, roc

LIMITS = (0.0005, 0.6)  # error rates outside are of no interest to a verification system
CLIP = (LIMITS[0], 1 - 1e-9)
TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)


def plot_det(path, results):
    """Draw DET curves on normal-deviate axes [1], with their convex hulls and EERs.

    Arguments
    ---------
    path : str or Path
        The PNG file to write.
    results : dict of str to (numpy.ndarray, numpy.ndarray, EqualErrorRate)
        Scores, labels (1 or 0) and EER of each trial list, by its name.

    References
    ----------
    [1] A. Martin et al., "The DET curve in assessment of detection task performance", Eurospeech
    1997.
    """
    figure = Figure(figsize=(6, 6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for number, (name, (scores, labels, eer)) in enumerate(results.items()):
        colour = f"C{number}"
        # Rates below the axes run along them: without errors the picture would be empty.
        false_alarm, miss = (rates.clip(*CLIP) for rates in roc(scores, labels))
        curve = DetCurveDisplay(fpr=false_alarm, fnr=miss)
        curve.plot(ax=axes, name=f"{name}: EER {eer.convex_hull:.2%}", color=colour)
        hull = convex_hull(scores, labels)
        grid = np.linspace(0, 1, 5001)  # straight in the ROC, the hull is curved on these axes
        dense = np.union1d(hull[0], grid)
        axes.plot(
            norm.ppf(dense.clip(*CLIP)),
            norm.ppf(np.interp(dense, *hull).clip(*CLIP)),
            color=colour,
            linestyle=":",
            label="its convex hull",
        )
        point = norm.ppf(max(eer.convex_hull, LIMITS[0]))
        axes.plot(point, point, marker="o", color=colour, linestyle="none", clip_on=False)
    axes.plot(norm.ppf(LIMITS), norm.ppf(LIMITS), color="0.8", linewidth=0.8, zorder=0)
    axes.set(
        xlabel="False alarm rate (%)",
        ylabel="Miss rate (%)",
        title="Detection error trade-off",
        xlim=norm.ppf(LIMITS),
        ylim=norm.ppf(LIMITS),
        xticks=norm.ppf(TICKS),
        yticks=norm.ppf(TICKS),
        xticklabels=[f"{100 * tick:g}" for tick in TICKS],
        yticklabels=[f"{100 * tick:g}" for tick in TICKS],
        aspect="equal",
    )
    axes.grid(color="0.93")
    axes.legend(loc="upper right")
    with atomic_file(path, "wb") as fout:
        figure.savefig(fout, format="png", dpi=150)

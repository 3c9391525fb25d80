"""Pictures of scores: DET curves, histograms, calibration."""

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike
from scipy.special import expit, logit
from scipy.stats import binomtest

from local.metrics.det import draw_det
from local.metrics.labelled_trials import P_TARGETS
from local.report.pictures import COLOURS, INK, NONTARGET, TARGET, legend_above, picture
from local.report.runs import ScoredList
from local.scoring.likelihood_ratios import log_likelihood_ratios

LARGEST_LLR = 15.0  # beyond, a picture of log-likelihood ratios tells nothing more


def det(name: str, systems: dict[str, ScoredList]) -> Markup:
    """Draw the DET curves of the systems on one trial list."""
    curves = {
        label: (*scored.labelled, scored.result.evaluation["metrics"]["eer"]["value"])
        for label, scored in systems.items()
    }

    def draw(figure):
        axes = figure.add_subplot()
        draw_det(axes, curves, P_TARGETS, COLOURS)
        legend_above(figure, axes, ncols=columns)

    # The legend is as wide as two short names.
    columns = 2 if max(map(len, curves)) <= 12 else 1
    rows = -(-(len(curves) + 2 + len(P_TARGETS)) // columns)
    title = "DET curve, " + "; ".join(
        f"{label}: EER {eer:.2%}" for label, (_, _, eer) in curves.items()
    )
    return picture(name, title, draw, height=3.9 + 0.17 * rows)


def as_llrs(scores: ArrayLike) -> np.ndarray:
    """The log-likelihood ratios that scores in [0, 1] stand for, as probabilities at even prior.

    They are natural logarithms, at most 15 in size.

    Example
    -------
    >>> as_llrs([0.5, 0.9, 1.0]).round(2).tolist()
    [0.0, 2.2, 15.0]
    """
    return log_likelihood_ratios(scores).clip(-LARGEST_LLR, LARGEST_LLR)


def histogram(name: str, scored: ScoredList) -> Markup:
    """Draw how the scores of target and of non-target trials are spread."""
    scores, labels = scored.labelled
    threshold = scored.threshold
    if scored.calibrated:  # probabilities crowd at 0 and 1
        scores = as_llrs(scores)
        threshold = None if threshold is None else float(as_llrs(threshold))
    bins = np.histogram_bin_edges(scores, bins=int(np.clip(np.sqrt(len(scores)), 10, 40)))

    def draw(figure):
        axes = figure.add_subplot()
        kinds = (("target", 1, TARGET, "-"), ("non-target", 0, NONTARGET, "--"))
        for kind, label, colour, style in kinds:
            chosen = scores[labels == label]
            share = np.full(len(chosen), 100 / len(chosen))
            options = {"bins": bins, "weights": share, "color": colour}
            axes.hist(chosen, **options, histtype="stepfilled", alpha=0.25)
            axes.hist(chosen, **options, histtype="step", linestyle=style, linewidth=1.6)
            axes.plot([], [], color=colour, linestyle=style, label=f"{kind} ({len(chosen):,})")
        if threshold is not None:
            axes.axvline(threshold, color=INK, linestyle=":", label=f"threshold ({threshold:.3g})")
        axes.set(
            xlabel="log-likelihood ratio" if scored.calibrated else "score",
            ylabel="share of the trials (%)",
            xlim=(bins[0], bins[-1]) if threshold is None else None,
        )
        axes.grid(axis="x", visible=False)
        axes.locator_params(axis="x", nbins=6)
        legend_above(figure, axes, ncols=2)

    title = f"Histogram of target and non-target scores, {scored.result.name}"
    return picture(name, title, draw, height=3.2)


def reliability(
    scores: np.ndarray, labels: np.ndarray, num_bins: int = 10
) -> list[tuple[float, float, float, float, int]]:
    """Predicted probability and observed share of targets, in bins of equal width.

    Scores in [0, 1] are probabilities at even prior; they are moved to the share of targets in the
    list, so that what is observed is a plain proportion, with its binomial interval [1]. Labels
    are 1 or 0, both there.

    Returns
    -------
    list of (float, float, float, float, int)
        Mean prediction, observed share, the two ends of its 95 % interval, and number of trials of
        each bin that has any.

    References
    ----------
    [1] E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.

    Example
    -------
    >>> reliability(np.array([0.75, 0.75, 0.25, 0.25]), np.array([1, 1, 0, 0]), num_bins=2)[1][:2]
    (0.75, 1.0)
    """
    predicted = expit(as_llrs(scores) + logit(labels.mean()))
    bins = np.minimum((predicted * num_bins).astype(int), num_bins - 1)
    points = []
    for number in np.unique(bins):
        mine = bins == number
        targets, trials = int(labels[mine].sum()), int(mine.sum())
        interval = binomtest(targets, trials).proportion_ci(method="wilson")
        mean = float(predicted[mine].mean())
        points.append((mean, targets / trials, interval.low, interval.high, trials))
    return points


def calibration(name: str, scored: ScoredList) -> Markup:
    """Draw whether probabilities are what they say: a reliability diagram over counts of trials."""
    points = reliability(*scored.labelled)
    predicted, observed, low, high, counts = np.array(points).T

    def draw(figure):
        axes, below = figure.subplots(2, height_ratios=(3, 1), sharex=True)
        axes.plot([0, 1], [0, 1], color=INK, linestyle=":", linewidth=1, label="perfect")
        axes.errorbar(
            predicted,
            observed,
            # Rounding may leave a bound on the wrong side of a share of 0 or 1.
            yerr=np.maximum([observed - low, high - observed], 0),
            color=TARGET,
            marker="o",
            markersize=5,
            capsize=3,
            elinewidth=1.2,
            label="scores, 95% interval",
        )
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), ylabel="observed share")
        edges = np.minimum((predicted * 10).astype(int), 9) / 10
        below.bar(edges, counts, width=0.095, align="edge", color=TARGET, alpha=0.5)
        below.set(yscale="log", ylabel="trials", xlabel="predicted probability of a target")
        below.set_ylim(bottom=0.7)
        below.set_yticks(10.0 ** np.arange(0, np.log10(counts.max()) + 1, 2))
        below.yaxis.set_major_formatter(lambda count, _: f"{count:,.0f}")
        below.minorticks_off()
        legend_above(figure, axes, ncols=2)

    return picture(name, f"Calibration of the scores, {scored.result.name}", draw, height=3.7)

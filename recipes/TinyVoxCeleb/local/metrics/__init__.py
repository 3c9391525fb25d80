"""From scores and labels to error rates: ROC, EER, detection costs, Cllr, intervals, breakdowns."""

from local.metrics.evaluation import compare, evaluate, summary
from local.metrics.labelled_trials import equal_error_rate
from local.metrics.roc import SortedTrials, convex_hull, roc

__all__ = [
    "SortedTrials",
    "compare",
    "convex_hull",
    "equal_error_rate",
    "evaluate",
    "roc",
    "summary",
]

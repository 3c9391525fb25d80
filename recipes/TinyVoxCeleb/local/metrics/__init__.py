"""From scores and labels to error rates: ROC, EER, detection costs, Cllr, intervals, breakdowns."""

from local.metrics.comparison import compare
from local.metrics.evaluation import evaluate, summary
from local.metrics.labelled_trials import check_both_kinds, equal_error_rate
from local.metrics.roc import SortedTrials, convex_hull, roc

__all__ = [
    "SortedTrials",
    "check_both_kinds",
    "compare",
    "convex_hull",
    "equal_error_rate",
    "evaluate",
    "roc",
    "summary",
]

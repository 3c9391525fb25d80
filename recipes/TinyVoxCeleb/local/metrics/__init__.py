"""From scores and labels to error rates: ROC, EER, detection costs, Cllr, intervals, breakdowns."""

from local.metrics.evaluation import check_both_kinds, compare, equal_error_rate, evaluate, summary
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

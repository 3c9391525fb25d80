"""Score lists: ``score id1 id2`` a line, written, read, and checked before they are handed in."""

from local.score_list.checking import check_scores
from local.score_list.files import read_scores, scores_of, write_scores

__all__ = ["check_scores", "read_scores", "scores_of", "write_scores"]

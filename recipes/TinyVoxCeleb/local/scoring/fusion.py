"""Fuse the score lists of several systems by logistic regression.

Fitted on the trials with labels alone, so on val or dev, never on evaluation trials. The labelled
lists get scores that are cross-validated by speaker, the others those of the full fit.

> python -m local.scoring.fusion --scores A.txt B.txt \
>     --trials dev_trials.txt,eval_trials_no_gt.txt --out fused.txt
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.special import logit

from local.errors import RecipeError, one_line_errors
from local.files import check_not_read, check_writable, split_paths
from local.scoring.calibration import cross_validated_llrs, fit_calibration
from local.scoring.decisions import Calibration, to_probability
from local.scoring.enrolment import pair_lists
from local.scoring.likelihood_ratios import cllr
from local.scoring.score_list import scores_of, split_scores, write_scores
from local.scoring.trials import TrialList, read_trials

CLIP = 1e-15  # a score of 0 or 1 counts as that far from it


def read_systems(score_files: Sequence[str | Path], lists: Sequence[TrialList]) -> np.ndarray:
    """Read the scores of several systems for the same trials, shape (trials, systems).

    Scores in [0, 1], which are probabilities or like them, are given as their logits: these add up.

    Raises
    ------
    RecipeError
        A score list that is malformed or that lacks trials.
    """
    columns = []
    for path in score_files:
        scores = np.concatenate(scores_of(path, lists))
        inside = scores.min() >= 0 and scores.max() <= 1
        columns.append(logit(scores.clip(CLIP, 1 - CLIP)) if inside else scores)
    return np.stack(columns, axis=1)


def fuse(
    scores: np.ndarray, lists: Sequence[TrialList], prior: float = 0.5, seed: int = 0
) -> tuple[Calibration, np.ndarray]:
    """Fit the fusion of scores, shape (trials, systems), where labels are; apply it everywhere.

    Returns the fusion and its log-likelihood ratios, shape (trials,): cross-validated by speaker in
    lists with labels, of the full fit in the others.

    Raises
    ------
    RecipeError
        If no list has labels; see `cross_validated_llrs`.
    """
    labels = np.concatenate([trials.labels for trials in lists])
    labelled = np.repeat([trials.has_labels for trials in lists], [len(trials) for trials in lists])
    if not labelled.any():
        raise RecipeError("fusion: no trial list has labels to fit on; give one that has, as dev's")
    speakers = [trials.speakers() for trials in lists if trials.has_labels]
    sides = None
    if None not in speakers:
        sides = [np.concatenate(side) for side in zip(*speakers, strict=True)]
    fusion = fit_calibration(scores[labelled], labels[labelled], prior=prior)
    llrs = fusion(scores)
    llrs[labelled] = cross_validated_llrs(
        scores[labelled], labels[labelled], sides, prior=prior, seed=seed
    )
    return fusion, llrs


def report(
    score_files: Sequence[str | Path],
    scores: np.ndarray,
    lists: Sequence[TrialList],
    prior: float = 0.5,
    seed: int = 0,
) -> tuple[list[str], np.ndarray]:
    """Lines that tell what each system and their fusion are worth, and the ratios of `fuse`."""
    labels = np.concatenate([trials.labels for trials in lists])
    fusion, llrs = fuse(scores, lists, prior, seed)
    known, lines = labels >= 0, []
    for path, column, weight in zip(score_files, scores.T, fusion.weights, strict=True):
        _, alone = fuse(column[:, None], lists, prior, seed)
        raw, after = (cllr(values[known], labels[known]) for values in (column, alone))
        lines.append(
            f"{path}: weight {weight:.3f}, Cllr {raw:.4f} as it is, {after:.4f} calibrated"
        )
    after = cllr(llrs[known], labels[known])
    lines.append(
        f"fused: Cllr {after:.4f} over {known.sum()} labelled trials, cross-validated by speaker"
    )
    return lines, llrs


def main():
    """Command line of the fusion."""
    parser = argparse.ArgumentParser(
        prog="python -m local.scoring.fusion",
        description="Fuse score lists by logistic regression.",
    )
    parser.add_argument("--scores", nargs="+", required=True, help="score lists, one a system")
    parser.add_argument("--trials", required=True, help="trial lists, separated by commas")
    parser.add_argument("--enrolment_lists", default="", help="their models: one for all, or each")
    parser.add_argument("--out", required=True, help="the score list to write")
    parser.add_argument("--prior", type=float, default=0.5, help="weight of the targets (0.5)")
    parser.add_argument("--seed", type=int, default=0, help="of the folds of speakers (0)")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    args = parser.parse_args()
    if args.seed < 0:
        parser.error("--seed: expected a whole number from 0")
    with one_line_errors(args.debug):
        check_writable(args.out)
        check_not_read([args.out], [*args.scores, *split_paths(args.trials)])
        models = pair_lists(split_paths(args.trials), split_paths(args.enrolment_lists))
        lists = [read_trials(path, enrolment=models[path]) for path in split_paths(args.trials)]
        scores = read_systems(args.scores, lists)
        lines, llrs = report(args.scores, scores, lists, args.prior, args.seed)
        parts = split_scores(to_probability(llrs), lists)
        write_scores(args.out, zip(lists, parts, strict=True))
        print("\n".join(lines))  # after it: nobody may read them
        print(f"score list: {args.out} ({len(llrs)} trials)")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
r"""Turn trial lists into a score list by cosine scoring; compute the EER where labels are known.

To run this recipe:
> python speaker_verification.py hparams/verification.yaml --checkpoint RUN_FOLDER \
>     --shards_dirs_to_evaluate SHARDS/dev,SHARDS/eval \
>     --trial_lists dev_trials.txt,eval_trials_no_gt.txt --score_file scores.txt

Any network that the training script has left can be scored: only its inference bundle is used.

Authors
 * The TinyVoxCeleb authors 2026
"""

import sys
from pathlib import Path

from local.atomic import atomic_file, check_writable
from local.det import plot_det
from local.embeddings import get_embeddings
from local.errors import RecipeError, one_line_errors
from local.hparams import load_hparams, parse_arguments
from local.metrics import equal_error_rate
from local.score_list import write_scores
from local.scoring import check_covered, cosine_scores
from local.shards import index_shards
from local.trials import read_trials


def read_lists(trial_lists, shard_folders):
    """Read trial lists and shard indices, and check that the shards hold every utterance once.

    Arguments
    ---------
    trial_lists, shard_folders : list of str

    Returns
    -------
    (list of TrialList, list of ShardIndex)

    Raises
    ------
    RecipeError
        See `read_trials`, `index_shards` and `check_covered`; an utterance in two of the folders.
    """
    indices = [index_shards(folder) for folder in dict.fromkeys(shard_folders)]
    homes = {}
    for index in indices:
        for sample in index.samples:
            folder = index.shards[0].parent
            if homes.setdefault(sample.key, folder) != folder:
                raise RecipeError(
                    f"{sample.key} is in both {homes[sample.key]} and {folder}: name only one of "
                    "them, or score them in two calls"
                )
    lists = [read_trials(path) for path in trial_lists]
    for trials in lists:
        check_covered(trials, homes)
    return lists, indices


def report(lists, scores, hparams):
    """Compute, print and draw the error rates of the lists with labels.

    Arguments
    ---------
    lists : list of TrialList
    scores : list of numpy.ndarray
        Cosine scores of each list, shape (trials,).
    hparams : dict
    """
    score_file = Path(hparams["score_file"])
    lines, curves = [], {}
    names = [Path(trials.path).stem for trials in lists]
    for name, trials, of_list in zip(names, lists, scores, strict=True):
        if names.count(name) > 1:
            name = trials.path
        if not trials.has_labels:
            lines.append(f"{name}: {len(trials)} trials scored; without labels there is no EER")
            continue
        eer = equal_error_rate(
            of_list,
            trials.labels,
            trials.speakers(),
            num_bootstrap=hparams["num_bootstrap"],
            seed=hparams["random_seed"],
        )
        lines.append(f"{name}: {eer}")
        known = trials.labels >= 0
        curves[name] = (of_list[known], trials.labels[known], eer)
    print("\n".join(lines))
    with atomic_file(score_file.with_name(f"{score_file.stem}_eer.txt")) as fout:
        fout.writelines(f"{line}\n" for line in lines)
    if curves:
        picture = score_file.with_name(f"{score_file.stem}_det.png")
        plot_det(picture, curves)
        print(f"DET curve: {picture}")


def main(argv):
    """Parse, read, embed, score, report."""
    hparams_file, run_opts, overrides = parse_arguments(argv, __doc__)
    with one_line_errors(run_opts.debug):
        hparams, _ = load_hparams(hparams_file, overrides, run_opts)
        lists, indices = read_lists(
            str(hparams["trial_lists"]).split(","),
            str(hparams["shards_dirs_to_evaluate"]).split(","),
        )
        check_writable(hparams["score_file"])  # now, not after all the embeddings
        found = get_embeddings(
            hparams["checkpoint"],
            [index.shards[0].parent for index in indices],
            device=run_opts.device,
            precision=run_opts.eval_precision,
            batch_size=hparams["batch_size"],
            num_workers=hparams["num_workers"],
        )
        embeddings = dict(zip(found.ids, found.vectors, strict=True))
        scores = [cosine_scores(embeddings, trials) for trials in lists]
        report(lists, scores, hparams)
        # Last: a score list that is there tells that all the rest is.
        unit = [(of_list + 1) / 2 for of_list in scores]
        write_scores(hparams["score_file"], zip(lists, unit, strict=True))
        print(f"score list: {hparams['score_file']} ({sum(map(len, lists))} trials)")


if __name__ == "__main__":
    main(sys.argv[1:])

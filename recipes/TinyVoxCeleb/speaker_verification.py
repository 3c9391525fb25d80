#!/usr/bin/env python3
r"""Turn trial lists into a score list; calibrate it; compute the metrics where labels are known.

To run this recipe:
> python speaker_verification.py hparams/verification.yaml --checkpoint RUN_FOLDER \
>     --shards_dirs_to_evaluate SHARDS/dev,SHARDS/eval \
>     --trial_lists dev_trials.txt,eval_trials_no_gt.txt --score_file scores.txt

Any network that the training script has left can be scored: only its inference bundle is used.
Embeddings are kept beside the network, so that the next call need not compute them.

Authors
 * The TinyVoxCeleb authors 2026
"""

import sys

from local.bundle.writing import write_decision
from local.embeddings import Embedder, find_bundle, read_embeddings
from local.errors import RecipeError, one_line_errors
from local.experiment import training_shards
from local.hparams import load_hparams, parse_arguments
from local.processes import inference_precision
from local.results import Measured, check_options, write_results
from local.scoring.calibration import fit_calibration, threshold
from local.scoring.cosine import check_covered
from local.scoring.cross_validation import cross_validated_llrs, share_speakers
from local.scoring.decisions import quality_measures, to_probability
from local.scoring.fitting import make_backend
from local.scoring.score_list import write_scores
from local.scoring.trials import read_trials


def read_and_embed(hparams, run_opts, lists):
    """Embeddings of all utterances of some lists, and the backend that is to score them.

    Arguments
    ---------
    hparams : dict
    run_opts : speechbrain.utils.run_opts.RunOptions
    lists : list of TrialList
        Checked against the shards before anything long begins.

    Returns
    -------
    (Embeddings, list of str, Backend)
        In the middle, the files that hold the embeddings.
    """
    folders, path = hparams["shards_dirs_to_evaluate"], hparams["embeddings_file"]
    if bool(folders) == bool(path):
        raise RecipeError("give either --shards_dirs_to_evaluate or --embeddings_file")
    run, options = hparams["checkpoint"], ("batch_size", "num_workers")
    embedder = Embedder(
        run,
        device=run_opts.device,
        precision=inference_precision(run_opts),
        **{key: hparams[key] for key in options},
    )

    def check(keys):
        for trials in lists:
            check_covered(trials, keys)

    if path:
        embeddings, files = read_embeddings(path, run), [path]
        check(embeddings.ids)
    else:
        looked_up = embedder.look_up(folders.split(","))
        check({key for folder in looked_up for key in folder.ids})
        embeddings = embedder.embed(looked_up)
        files = [str(folder.cache.path) for folder in looked_up]
    train = None
    if hparams["scoring"] != "cosine":
        folders = hparams["train_shards_dir"] or training_shards(run)
        known = embedder.embed(embedder.look_up(folders.split(",")))
        train = known.vectors, [key.split("/")[0] for key in known.ids]
    return embeddings, files, make_backend(hparams["scoring"], train, hparams["top_n"])


def calibrate(hparams, backend, scored, fit_on):
    """Calibrate all lists by one with labels; leave scoring and threshold in the bundle.

    No score of a trial without label, and no label of another list, goes into the fit.

    Arguments
    ---------
    hparams : dict
    backend : Backend
    scored : list of (TrialList, numpy.ndarray, numpy.ndarray or None)
        Each list with its scores and quality measures; the one to fit on is the last.
    fit_on : TrialList

    Returns
    -------
    (list of Measured, dict)
        What is written and measured of each list but the last. And the decision.
    """
    *scored, (_, scores, quality) = scored
    costs = {key: hparams[key] for key in ("p_target", "c_miss", "c_fa")}
    at, prior, labels = threshold(**costs), {"prior": hparams["p_target"]}, fit_on.labels
    calibration = fit_calibration(scores, labels, quality, **prior)
    calibrated = []
    for trials, of_list, of_quality in scored:
        llrs = honest = calibration(of_list, of_quality)
        if share_speakers(trials, fit_on):  # what is measured is without a trial's own speakers
            fit = (scores, labels, fit_on.speakers(), quality)
            of = (of_list, trials.speakers(), of_quality)
            honest = cross_validated_llrs(*fit, of=of, seed=hparams["random_seed"], **prior)
        ranking = of_list if quality is None else honest
        calibrated.append(Measured(trials, to_probability(llrs), ranking, honest))
    if hparams["update_verifier"]:
        counts = {"target": int((labels == 1).sum()), "nontarget": int((labels == 0).sum())}
        fitted_on = {"list": fit_on.path, "trials": counts}
        bundle = find_bundle(hparams["checkpoint"])
        write_decision(bundle, backend, calibration, threshold=at, **costs, fitted_on=fitted_on)
        print(f"threshold of the network's verifier: {at:.3f} (log-likelihood ratio), in {bundle}")
    return calibrated, {"threshold": at, **costs}


def main(argv):
    """Parse, read, embed, score, calibrate, measure, write."""
    hparams_file, run_opts, overrides = parse_arguments(argv, __doc__)
    with one_line_errors(run_opts.debug):
        hparams, _ = load_hparams(hparams_file, overrides, run_opts)
        check_options(hparams)  # now, not after all the embeddings
        lists = [read_trials(path) for path in str(hparams["trial_lists"]).split(",")]
        fit_on = hparams["calibration_trials"] and read_trials(hparams["calibration_trials"])
        of_trials = [*lists, fit_on] if fit_on else lists
        embeddings, files, backend = read_and_embed(hparams, run_opts, of_trials)
        scored = []
        for trials in of_trials:
            rows = [embeddings.rows(side) for side in trials.pairs()]
            quality = None
            if hparams["quality_measures"]:
                quality = quality_measures(embeddings.vectors, embeddings.num_frames, *rows)
            scored.append((trials, backend.score(embeddings.vectors, *rows), quality))
        if fit_on:
            measured, decision = calibrate(hparams, backend, scored, fit_on)
        else:
            units = [(trials, backend.to_unit(scores)) for trials, scores, _ in scored]
            measured, decision = [Measured(*one, ranking=one[1]) for one in units], None
        write_results(hparams, measured, embeddings, decision, files)
        # Last: a score list that is there tells that all the rest is.
        write_scores(hparams["score_file"], [(one.trials, one.scores) for one in measured])
        print(f"score list: {hparams['score_file']} ({sum(map(len, lists))} trials)")


if __name__ == "__main__":
    main(sys.argv[1:])

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
from typing import NamedTuple

from local.errors import one_line_errors  # isort: skip - first, see local

import numpy as np

from local.bundle import find_bundle
from local.bundle.writing import write_decision
from local.embeddings import Embedder, read_embeddings
from local.experiment import training_shards
from local.files import split_paths
from local.hparams import load_hparams, parse_arguments
from local.processes import inference_precision
from local.results import Measured, check_options, evaluate_lists
from local.scoring.calibration import cross_validated_llrs, fit_calibration, share_speakers
from local.scoring.decisions import quality_measures, to_probability
from local.scoring.enrolment import pair_lists
from local.scoring.fitting import make_backend
from local.scoring.likelihood_ratios import threshold
from local.scoring.recordings import find_recordings
from local.scoring.score_list import write_scores
from local.scoring.trial_scores import score_trials
from local.scoring.trials import TrialList, count_kinds, read_trials
from local.scoring.utterances import find_utterances


class Scored(NamedTuple):
    """A trial list, its scores, and its quality measures where they take part in a calibration."""

    trials: TrialList
    scores: np.ndarray
    quality: np.ndarray | None


def read_lists(hparams):
    """The trial lists to score and, in a list of its own, the one to calibrate by, if any.

    Trials of an utterance with itself are never calibrated by.
    """
    paths, own = split_paths(str(hparams["trial_lists"])), hparams["self_trials_count"]
    fit_on = [path for path in [hparams["calibration_trials"]] if path]
    models = pair_lists(paths + fit_on, split_paths(hparams["enrolment_lists"]))
    lists = [read_trials(path, self_trials=own, enrolment=models[path]) for path in paths]
    return lists, [read_trials(path, enrolment=models[path]) for path in fit_on]


def make_embedder(hparams, run_opts):
    """The network that the options name, ready to embed shards or audio files."""
    return Embedder(
        hparams["checkpoint"],
        device=run_opts.device,
        precision=inference_precision(run_opts),
        batch_size=hparams["batch_size"],
        num_workers=hparams["num_workers"],
    )


def embed(hparams, embedder, lists):
    """Some lists and the embeddings of all their utterances, and the files that hold these."""
    if path := hparams["embeddings_file"]:
        embeddings = read_embeddings(path, hparams["checkpoint"])
        return [find_utterances(trials, embeddings.ids) for trials in lists], embeddings, [path]
    if folder := hparams["audio_folder"]:
        lists, recordings = find_recordings(lists, folder)
        return lists, *embedder.embed_files(folder, recordings)
    folders = embedder.look_up(split_paths(hparams["shards_dirs_to_evaluate"]))
    keys = {key for folder in folders for key in folder.ids}
    lists = [find_utterances(trials, keys) for trials in lists]  # before anything long begins
    return lists, embedder.embed(folders), [str(folder.cache.path) for folder in folders]


def fit_backend(hparams, embedder):
    """The way of scoring, fitted on the embeddings of training speakers where it needs them."""
    train = None
    if hparams["scoring"] != "cosine":
        named, run = hparams["train_shards_dir"], hparams["checkpoint"]
        folders = split_paths(named) if named else training_shards(run)
        known = embedder.embed(embedder.look_up(folders))
        train = known.vectors, [key.split("/")[0] for key in known.ids]
    return make_backend(hparams["scoring"], train, hparams["top_n"])


def score(hparams, backend, embeddings, trials):
    """Score a list; measure its quality too where that takes part in the calibration."""
    quality = None
    if hparams["quality_measures"]:
        rows = trials.rows(embeddings.rows)
        quality = quality_measures(embeddings.vectors, embeddings.num_frames, *rows)
    return Scored(trials, score_trials(backend, embeddings, trials), quality)


def calibrate(hparams, backend, scored, labelled):
    """Calibrate some lists by a labelled one; leave scoring and threshold in the bundle.

    No score of a trial without label, and no label of another list, goes into the fit. Returns what
    is written and measured of each list, and the decision.
    """
    costs = {key: hparams[key] for key in ("p_target", "c_miss", "c_fa")}
    at, prior, labels = threshold(**costs), hparams["p_target"], labelled.trials.labels
    calibration = fit_calibration(labelled.scores, labels, labelled.quality, prior=prior)
    calibrated = []
    for trials, scores, quality in scored:
        llrs = honest = calibration(scores, quality)
        if share_speakers(trials, labelled.trials):  # measured without a trial's own speakers
            honest = cross_validated_llrs(
                labelled.scores,
                labels,
                labelled.trials.speakers(),
                labelled.quality,
                others=(scores, trials.speakers(), quality),
                prior=prior,
                seed=hparams["random_seed"],
            )
        ranking = scores if quality is None else honest
        calibrated.append(Measured(trials, to_probability(llrs), ranking, honest))
    if hparams["update_verifier"]:
        fitted_on = {"list": labelled.trials.path, "trials": count_kinds(labels)}
        bundle = find_bundle(hparams["checkpoint"])
        write_decision(bundle, backend, calibration, threshold=at, **costs, fitted_on=fitted_on)
        print(f"threshold of the network's verifier: {at:.3f} (log-likelihood ratio), in {bundle}")
    return calibrated, {"threshold": at, **costs}


def leave_uncalibrated(backend, scored):
    """What is written and measured of each list where no list calibrates, and no decision."""
    units = [(trials, backend.to_unit(scores)) for trials, scores, _ in scored]
    return [Measured(trials, unit, ranking=unit) for trials, unit in units], None


def main(argv):
    """Parse, read, embed, score, calibrate, measure, write."""
    hparams_file, run_opts, overrides = parse_arguments(argv, __doc__)
    with one_line_errors(run_opts.debug):
        hparams, _ = load_hparams(hparams_file, overrides, run_opts)
        check_options(hparams)  # now, not after all the embeddings
        lists, fit_on = read_lists(hparams)
        embedder = make_embedder(hparams, run_opts)
        found, embeddings, files = embed(hparams, embedder, lists + fit_on)
        backend = fit_backend(hparams, embedder)
        scored = [score(hparams, backend, embeddings, trials) for trials in found]
        if fit_on:
            measured, decision = calibrate(hparams, backend, scored[:-1], scored[-1])
        else:
            measured, decision = leave_uncalibrated(backend, scored)
        said = evaluate_lists(hparams, measured, embeddings, decision, files)
        # Last: a score list that is there tells that all the rest is.
        write_scores(hparams["score_file"], [(entry.trials, entry.scores) for entry in measured])
        print(*said, sep="\n")  # whether or not somebody reads it
        print(f"score list: {hparams['score_file']} ({sum(map(len, lists))} trials)")


if __name__ == "__main__":
    main(sys.argv[1:])

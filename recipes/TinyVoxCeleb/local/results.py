"""What a verification leaves beside its score list: metrics, DET curves, how they came about."""

import json
import os
import platform
import shlex
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from local.errors import RecipeError
from local.files import atomic_file, check_not_read, check_writable
from local.metadata import read_speakers
from local.metrics import evaluate, summary
from local.metrics.breakdown import breakdown
from local.metrics.det import plot_det
from local.metrics.tables import breakdown_table, evaluation_table
from local.scoring.decisions import to_probability
from local.scoring.likelihood_ratios import threshold
from local.scoring.trials import TrialList

PACKAGES = ("torch", "torchaudio", "speechbrain", "numpy", "scipy", "scikit-learn")


@dataclass(frozen=True)
class Measured:
    """A trial list, its scores, and what is measured of them.

    Arguments
    ---------
    trials : TrialList
    scores : numpy.ndarray
        In [0, 1], as the score list gets them; probabilities where they are calibrated.
    ranking : numpy.ndarray
        What error rates are measured on: scores before a calibration that keeps their order, or a
        cross-validated calibration.
    llrs : numpy.ndarray, optional
        What Cllr, actual costs and decisions are measured on: cross-validated where the trials
        have speakers of the list that the calibration was fitted on.
    """

    trials: TrialList
    scores: np.ndarray
    ranking: np.ndarray
    llrs: np.ndarray | None = None


def outputs(score_file):
    """The files that a verification leaves: score list, error rates, DET curves, everything."""
    path = Path(score_file).absolute()
    ends = ("_eer.txt", "_det.png", ".json")
    return [path, *(path.with_name(f"{path.stem}{end}") for end in ends)]


def check_options(hparams):
    """Check, before any work, what the options ask for.

    Arguments
    ---------
    hparams : dict
        Of hparams/verification.yaml.

    Raises
    ------
    RecipeError
        A score list that cannot be written, or that would replace what is read; costs or a prior
        out of range; options of the calibration without a list for it; several processes.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise RecipeError(
            "torchrun with several processes: verification runs in one; those share the work of "
            "python -m local.embeddings, whose file --embeddings_file takes"
        )
    path = Path(hparams["score_file"])
    if path.suffix == ".json":
        raise RecipeError(f"{path}: the metrics get this name: let the score list end in .txt")
    check_writable(path)
    named = [hparams[key] for key in ("meta_file", "embeddings_file", "calibration_trials")]
    check_not_read(outputs(path), [*str(hparams["trial_lists"]).split(","), *filter(None, named)])
    threshold(**{key: hparams[key] for key in ("p_target", "c_miss", "c_fa")})
    if hparams["quality_measures"] and not hparams["calibration_trials"]:
        raise RecipeError(
            "--quality_measures: they take part in a calibration: give --calibration_trials"
        )


def write_results(hparams, measured, embeddings, decision, files):
    """Measure the lists with labels, print that, and write it down.

    For a score file scores.txt it leaves scores.json with everything, scores_eer.txt with a line a
    list and scores_det.png.

    Arguments
    ---------
    hparams : dict
        Of hparams/verification.yaml.
    measured : list of Measured
    embeddings : Embeddings
        Tell how long the utterances are.
    decision : dict or None
        "threshold" on the log-likelihood ratios, "p_target", "c_miss" and "c_fa", where the scores
        are calibrated.
    files : list of str
        Where the embeddings are kept.
    """
    score_file, eers, picture, results = outputs(hparams["score_file"])
    people = read_speakers(hparams["meta_file"]) if hparams["meta_file"] else None
    names = [Path(one.trials.path).stem for one in measured]
    entries, lines, curves = [], [], {}
    for name, one in zip(names, measured, strict=True):
        trials = one.trials
        if names.count(name) > 1:
            name = trials.path
        entry = {"name": name, "path": str(Path(trials.path).absolute()), "num_trials": len(trials)}
        entries.append({**entry, "evaluation": None, "breakdown": []})
        if not trials.has_labels:
            lines.append(f"{name}: {len(trials)} trials scored; without labels there is no EER")
            print(lines[-1])
            continue
        evaluation, groups = _measure(hparams, one, embeddings, decision, people)
        entries[-1] |= {"evaluation": evaluation, "breakdown": groups}
        lines.append(f"{name}: {summary(evaluation)}")
        print("\n  ".join([lines[-1], *_tables(evaluation, groups, decision)]))
        known, eer = trials.labels >= 0, evaluation["metrics"]["eer"]["value"]
        curves[name] = (one.ranking[known], trials.labels[known], eer)
    with atomic_file(eers) as fout:
        fout.writelines(f"{line}\n" for line in lines)
    if curves:
        plot_det(picture, curves)
        print(f"DET curve: {picture}")
    folders = filter(None, hparams["shards_dirs_to_evaluate"].split(","))
    about = {
        "command": shlex.join(["python", *sys.argv]),
        "run": str(Path(hparams["checkpoint"]).absolute()),
        "score_file": str(score_file),
        "scoring": hparams["scoring"],
        "calibrated": decision is not None,
        "calibration_trials": hparams["calibration_trials"] or None,
        "seed": hparams["random_seed"],
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in PACKAGES},
        "threshold": decision and float(to_probability(np.array(decision["threshold"]))),
        "decision": decision and {key: decision[key] for key in ("p_target", "c_miss", "c_fa")},
        "shards": [str(Path(folder).absolute()) for folder in folders],
        "embeddings": files,
        "lists": entries,
    }
    with atomic_file(results) as fout:
        json.dump(about, fout, indent=1, allow_nan=False)


def _tables(evaluation, groups, decision):
    """What is printed of one list below its EER."""
    how = "not calibrated: Cllr and actual DCF read the scores as probabilities"
    at = "the threshold of the EER of all trials"
    if decision:
        how = "calibrated; Cllr and actual DCF without a trial's own speakers in the calibration"
        at = f"a log-likelihood ratio of {decision['threshold']:.3f}"
    yield how
    yield from list(evaluation_table(evaluation))[1:]
    if groups:
        yield f"Miss and false alarm rates of groups, at {at}"
        yield from breakdown_table(groups)


def _measure(hparams, one, embeddings, decision, people):
    """Metrics and breakdown of one list with labels."""
    trials, scores = one.trials, one.ranking
    options = {"num_bootstrap": hparams["num_bootstrap"], "seed": hparams["random_seed"]}
    speakers, labels = trials.speakers(), trials.labels
    evaluation = evaluate(scores, labels, speakers, llrs=one.llrs, where=trials.path, **options)
    frames = [embeddings.num_frames[embeddings.rows(side)] for side in trials.pairs()]
    return evaluation, breakdown(
        scores,
        labels,
        speakers,
        people=people,
        num_frames=frames,
        accepted=one.llrs >= decision["threshold"] if decision else None,
        **options,
    )

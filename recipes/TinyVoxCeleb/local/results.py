"""What a verification leaves beside its score list: metrics, DET curves, and how they came about.

Authors
 * The TinyVoxCeleb authors 2026
"""

import json
import platform
import shlex
import sys
from importlib.metadata import version
from pathlib import Path

from local.atomic import atomic_file, check_writable
from local.det import plot_det
from local.errors import RecipeError
from local.metrics import evaluate, summary
from local.metrics.breakdown import breakdown
from local.metrics.tables import breakdown_table, evaluation_table
from local.speakers import read_speakers

PACKAGES = ("torch", "torchaudio", "speechbrain", "numpy", "scipy", "scikit-learn")


def check_score_file(path):
    """Check, before any work, that a score list and what lies beside it can be written.

    Arguments
    ---------
    path : str or Path

    Raises
    ------
    RecipeError
        See `check_writable`; a name that ends in .json, where the metrics go.
    """
    check_writable(path)
    if Path(path).suffix == ".json":
        raise RecipeError(f"{path}: the metrics get this name: let the score list end in .txt")


def write_results(hparams, lists, scores, embeddings, decision, files):
    """Measure the lists with labels, print that, and write it down.

    For a score file scores.txt it leaves scores.json with everything, scores_eer.txt with a line a
    list and scores_det.png.

    Arguments
    ---------
    hparams : dict
        Of hparams/verification.yaml.
    lists : list of TrialList
    scores : list of numpy.ndarray
        As the score list holds them, in [0, 1].
    embeddings : Embeddings
        Tell how long the utterances are.
    decision : dict or None
        "threshold" on the scores, and "p_target", "c_miss", "c_fa", where they are calibrated.
    files : list of str
        Where the embeddings are kept.
    """
    score_file = Path(hparams["score_file"]).absolute()
    people = read_speakers(hparams["meta_file"]) if hparams["meta_file"] else None
    names = [Path(trials.path).stem for trials in lists]
    entries, lines, curves = [], [], {}
    for name, trials, of_list in zip(names, lists, scores, strict=True):
        if names.count(name) > 1:
            name = trials.path
        entry = {"name": name, "path": str(Path(trials.path).absolute()), "num_trials": len(trials)}
        entries.append({**entry, "evaluation": None, "breakdown": []})
        if not trials.has_labels:
            lines.append(f"{name}: {len(trials)} trials scored; without labels there is no EER")
            print(lines[-1])
            continue
        evaluation, groups = _measure(hparams, trials, of_list, embeddings, decision, people)
        entries[-1] |= {"evaluation": evaluation, "breakdown": groups}
        lines.append(f"{name}: {summary(evaluation)}")
        print(lines[-1])
        for line in [*list(evaluation_table(evaluation))[1:], *breakdown_table(groups)]:
            print(f"  {line}")
        known = trials.labels >= 0
        curves[name] = (of_list[known], trials.labels[known], evaluation["metrics"]["eer"]["value"])
    with atomic_file(score_file.with_name(f"{score_file.stem}_eer.txt")) as fout:
        fout.writelines(f"{line}\n" for line in lines)
    if curves:
        picture = score_file.with_name(f"{score_file.stem}_det.png")
        plot_det(picture, curves)
        print(f"DET curve: {picture}")
    folders = filter(None, hparams["shards_dirs_to_evaluate"].split(","))
    about = {
        "command": shlex.join(["python", *sys.argv]),
        "run": str(Path(hparams["checkpoint"]).absolute()),
        "score_file": str(score_file),
        "scoring": hparams["scoring"],
        "calibrated": decision is not None,
        "seed": hparams["random_seed"],
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in PACKAGES},
        "threshold": decision and decision["threshold"],
        "decision": decision and {key: decision[key] for key in ("p_target", "c_miss", "c_fa")},
        "shards": [str(Path(folder).absolute()) for folder in folders],
        "embeddings": files,
        "lists": entries,
    }
    with atomic_file(score_file.with_name(f"{score_file.stem}.json")) as fout:
        json.dump(about, fout, indent=1, allow_nan=False)


def _measure(hparams, trials, scores, embeddings, decision, people):
    """Metrics and breakdown of one list with labels."""
    options = {"num_bootstrap": hparams["num_bootstrap"], "seed": hparams["random_seed"]}
    speakers, labels = trials.speakers(), trials.labels
    evaluation = evaluate(scores, labels, speakers, where=trials.path, **options)
    frames = [embeddings.num_frames[embeddings.rows(side)] for side in trials.pairs()]
    return evaluation, breakdown(
        scores,
        labels,
        speakers,
        people=people,
        num_frames=frames,
        threshold=decision and decision["threshold"],
        **options,
    )

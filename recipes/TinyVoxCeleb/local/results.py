"""What a verification leaves beside a score list: error rates, DET curves, how they came about."""

import json
import os
import platform
import shlex
import sys
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path

import numpy as np

from local.embeddings import Embeddings
from local.errors import RecipeError
from local.files import atomic_file, check_not_read, check_writable, split_paths
from local.metadata import read_speakers
from local.metrics import evaluate, summary
from local.metrics.breakdown import Group, breakdown, side_lengths, untold
from local.metrics.det import plot_det
from local.metrics.evaluation import Evaluation
from local.metrics.identification import Identification, identify_models
from local.metrics.tables import breakdown_table, evaluation_table, identification_table
from local.scoring.backends import SCORINGS
from local.scoring.decisions import to_probability
from local.scoring.likelihood_ratios import threshold
from local.scoring.trials import TrialList
from local.stored import check_type, parse_json

SOURCES = ("shards_dirs_to_evaluate", "embeddings_file", "audio_folder")  # of embeddings
PACKAGES = ("torch", "torchaudio", "speechbrain", "numpy", "scipy", "scikit-learn")


@dataclass(frozen=True)
class Measured:
    """A trial list with its scores in [0, 1], as the score list gets them.

    Error rates are measured on `ranking`: scores before a calibration that keeps their order, or a
    cross-validated calibration. Cllr, actual costs and decisions are measured on `llrs`:
    cross-validated where the trials have speakers of the list that the calibration was fitted on.
    """

    trials: TrialList
    scores: np.ndarray
    ranking: np.ndarray
    llrs: np.ndarray | None = None


@dataclass(frozen=True)
class ListResult:
    """What was measured on one trial list; without labels `evaluation` is None.

    `enrolment` is the list of its models, None where its first ids are utterances; rates of
    identification are there where each of its test utterances is compared with each model.
    """

    name: str
    path: str
    num_trials: int
    evaluation: Evaluation | None
    breakdown: list[Group]
    enrolment: str | None = None
    identification: Identification | None = None


@dataclass(frozen=True)
class Results:
    """What was measured on the lists of a score file, and how: the keys of its JSON file.

    `threshold` is in the unit of the scores, and `decision` has the costs that it is set for.
    """

    command: str
    run: str
    score_file: str
    scoring: str
    calibrated: bool
    calibration_trials: str | None
    seed: int
    versions: dict[str, str]
    threshold: float | None
    decision: dict[str, float] | None
    shards: list[str]
    embeddings: list[str]
    lists: list[ListResult]
    audio_folder: str | None = None


def write_results(path: str | Path, results: Results) -> None:
    """Write results as JSON."""
    with atomic_file(path) as fout:
        json.dump(results, fout, indent=1, allow_nan=False, default=vars)


def read_results(path: str | Path) -> Results:
    """Read what `write_results` has written; a RecipeError tells what is wrong with the file."""
    path = Path(path)
    if not path.is_file():
        found = "no such file" if path.parent.is_dir() else "no such run"
        made = "speaker_verification.py (stage 4 of run.sh) makes it beside the scores"
        raise RecipeError(f"{path}: {found}: {made}")
    try:
        about = parse_json(path.read_bytes())
        check_type(about, Results)
        about["lists"] = [_make(ListResult, entry) for entry in about["lists"]]
        if any(
            "eer" not in each.evaluation["metrics"] for each in about["lists"] if each.evaluation
        ):
            raise KeyError("an eer among the metrics")
        return _make(Results, about)
    except (ValueError, KeyError) as error:
        wrong = f"damaged, or of another program ({error})"
        if isinstance(error, KeyError):
            wrong = f"without {error.args[0]}: not of this version of speaker_verification.py"
        raise RecipeError(f"{path}: {wrong}; score the run again") from None


def _make(kind, values):
    return kind(
        **{field.name: values[field.name] for field in fields(kind) if field.name in values}
    )


def outputs(score_file: str | Path) -> list[Path]:
    """The files that a verification leaves: score list, error rates, DET curves, results."""
    path = Path(score_file).absolute()
    return [path, *(path.with_name(path.stem + end) for end in ("_eer.txt", "_det.png", ".json"))]


def check_options(hparams: dict) -> None:
    """Check the options of hparams/verification.yaml before any work; raises a RecipeError."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise RecipeError(
            "torchrun with several processes: verification runs in one; those share the work of "
            "python -m local.embeddings, whose file --embeddings_file takes"
        )
    if sum(bool(hparams[key]) for key in SOURCES) != 1:
        raise RecipeError(f"give either --{' or --'.join(SOURCES)}: one of them")
    path = Path(hparams["score_file"])
    if path.suffix == ".json":
        raise RecipeError(f"{path}: the metrics get this name: let the score list end in .txt")
    check_writable(path)
    named = [hparams[key] for key in ("meta_file", "embeddings_file", "calibration_trials")]
    for key in ("trial_lists", "enrolment_lists"):
        named += split_paths(str(hparams[key]))
    check_not_read(outputs(path), list(filter(None, named)))
    threshold(**{key: hparams[key] for key in ("p_target", "c_miss", "c_fa")})
    if hparams["meta_file"]:
        read_speakers(hparams["meta_file"])
    if hparams["scoring"] not in SCORINGS:  # before training shards are embedded for it
        raise RecipeError(f"scoring {hparams['scoring']!r}: expected one of {', '.join(SCORINGS)}")
    if hparams["quality_measures"] and not hparams["calibration_trials"]:
        raise RecipeError(
            "--quality_measures: they take part in a calibration: give --calibration_trials"
        )


def evaluate_lists(
    hparams: dict, lists: list[Measured], embeddings: Embeddings, decision: dict | None, files
) -> list[str]:
    """Measure the lists with labels, and write it down; returns what is to be printed of it.

    Beside scores.txt it leaves scores_eer.txt, scores_det.png and scores.json. The embeddings, kept
    in `files`, tell how long the utterances are. Where the scores are calibrated, `decision` has a
    "threshold" on the log-likelihood ratios, "p_target", "c_miss" and "c_fa".
    """
    score_file, eers, picture, json_file = outputs(hparams["score_file"])
    meta = hparams["meta_file"]
    people = read_speakers(meta) if meta else None
    names = [_name(scored.trials) for scored in lists]
    found, lines, curves, said = [], [], {}, []
    for name, scored in zip(names, lists, strict=True):
        trials, evaluation, groups, identified = scored.trials, None, [], None
        name = name if names.count(name) == 1 else trials.path
        details, remarks = [], trials.remarks
        if trials.has_labels:
            evaluation, groups, identified = _measure(hparams, scored, embeddings, decision, people)
            missing = untold(people, trials.speakers(), meta) if meta else ""
            remarks = "; ".join(filter(None, [remarks, missing]))
            evaluation |= {"self_trials": hparams["self_trials_count"], "remarks": remarks}
            text, details = summary(evaluation), _tables(evaluation, groups, decision)
            details = [*details, *identification_table(identified)]
            known, eer = trials.labels >= 0, evaluation["metrics"]["eer"]["value"]
            curves[name] = (scored.ranking[known], trials.labels[known], eer)
        else:
            text = f"{len(trials)} trials scored; {trials.unlabelled}"
        lines.append(f"{name}: {'; '.join(filter(None, [text, remarks]))}")
        said.append("\n  ".join([lines[-1], *details]))
        path, models = str(Path(trials.path).absolute()), trials.enrolment
        models = models and str(Path(models.path).absolute())
        measured = evaluation, groups, models, identified
        found.append(ListResult(name, path, len(trials), *measured))
    with atomic_file(eers) as fout:
        fout.writelines(f"{line}\n" for line in lines)
    if curves:
        plot_det(picture, curves)
        said.append(f"DET curve: {picture}")
    shards = filter(None, split_paths(hparams["shards_dirs_to_evaluate"]))
    versions = {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}
    results = Results(
        command=shlex.join(["python", *sys.argv]),
        run=str(Path(hparams["checkpoint"]).absolute()),
        score_file=str(score_file),
        scoring=hparams["scoring"],
        calibrated=decision is not None,
        calibration_trials=hparams["calibration_trials"] or None,
        seed=hparams["random_seed"],
        versions=versions,
        threshold=decision and float(to_probability(np.array(decision["threshold"]))),
        decision=decision and {key: decision[key] for key in ("p_target", "c_miss", "c_fa")},
        shards=[str(Path(folder).absolute()) for folder in shards],
        embeddings=files,
        lists=found,
        audio_folder=str(Path(audio).absolute()) if (audio := hparams["audio_folder"]) else None,
    )
    write_results(json_file, results)
    return said


def _name(trials):
    """What a list is called: a published one as in papers, another as its file."""
    path = Path(trials.path)
    return f"{path.name} ({trials.title})" if trials.title else path.stem


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


def _measure(hparams, scored, embeddings, decision, people):
    """Metrics, breakdown and rates of identification of one list with labels."""
    options = {"num_bootstrap": hparams["num_bootstrap"], "seed": hparams["random_seed"]}
    columns = scored.ranking, scored.trials.labels, scored.trials.speakers()
    evaluation = evaluate(*columns, llrs=scored.llrs, where=scored.trials.path, **options)
    frames = side_lengths(embeddings.num_frames, *scored.trials.rows(embeddings.rows))
    identified = identify_models(scored.trials, scored.ranking, **options)
    accepted = scored.llrs >= decision["threshold"] if decision else None
    options |= {"people": people, "num_frames": frames, "accepted": accepted}
    return evaluation, breakdown(*columns, **options), identified

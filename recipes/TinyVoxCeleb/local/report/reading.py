"""What a verification run has left, read back and checked for the report."""

import json
from pathlib import Path

from local.errors import RecipeError
from local.report.results import Result, ScoredList, locate
from local.scoring.score_list import read_scores
from local.scoring.trials import read_trials

NEEDED = ("command", "run", "score_file", "scoring", "calibrated", "lists")
OF_LISTS = ("name", "path", "num_trials", "evaluation", "breakdown")


def read_results(paths):
    """Read scored runs.

    Arguments
    ---------
    paths : list of str or Path
        JSON files that `speaker_verification.py` has left beside its score files; a folder means
        the ``scores.json`` in it.

    Returns
    -------
    list of Result

    Raises
    ------
    RecipeError
        A file that is missing, damaged, or does not fit the score or trial lists any more.
    """
    files = [_json_file(Path(path)) for path in dict.fromkeys(map(str, paths))]
    abouts = [_read_json(path) for path in files]
    return [
        Result(label, path, about, _read_lists(path, about))
        for label, path, about in zip(_labels(files, abouts), files, abouts, strict=True)
    ]


def _json_file(path):
    if path.is_dir():
        path = path / "scores.json"
    if path.is_file():
        return path
    found = "no such file" if path.parent.is_dir() else "no such run"
    raise RecipeError(
        f"{path}: {found}: speaker_verification.py (stage 4 of run.sh) makes it beside the scores"
    )


def _read_json(path):
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        lists = about["lists"]
        missing = [key for key in NEEDED if key not in about]
        missing += [key for of in lists for key in OF_LISTS if key not in of]
    except (ValueError, TypeError, KeyError) as error:
        raise RecipeError(
            f"{path}: damaged, or of another program ({type(error).__name__}: {error}); score the "
            "run again"
        ) from None
    if missing:
        raise RecipeError(
            f"{path}: without {', '.join(sorted(set(missing)))}: not of this version of "
            "speaker_verification.py; score the run again"
        )
    return about


def _labels(files, abouts):
    """The shortest names that tell the results apart."""
    runs = [Path(about["run"]).name or "run" for about in abouts]
    stems = [f"{run}/{path.stem}" for run, path in zip(runs, files, strict=True)]
    for names in (runs, stems):
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in files]


def _read_lists(path, about):
    scores, enrol, test = read_scores(locate(about["score_file"], path.parent))
    total = sum(of["num_trials"] for of in about["lists"])
    if len(scores) != total:
        raise RecipeError(
            f"{about['score_file']}: {len(scores)} scores, but {path} tells of {total}: one of "
            "them has changed since; score the run again"
        )
    lists, start = [], 0
    for of in about["lists"]:
        trials = read_trials(locate(of["path"], path.parent))
        part = slice(start, start + of["num_trials"])
        start = part.stop
        if (trials.enrol, trials.test) != (enrol[part], test[part]):
            raise RecipeError(
                f"{trials.path}: its {len(trials)} trials are not those that {path} was made of "
                f"({of['num_trials']}): the list or the scores have changed since; score the run "
                "again"
            )
        lists.append(
            ScoredList(of["name"], trials, scores[part], of["evaluation"], of["breakdown"])
        )
    return lists

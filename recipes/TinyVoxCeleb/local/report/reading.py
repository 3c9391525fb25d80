"""What a verification run has left, read back and checked for the report.

Authors
 * The TinyVoxCeleb authors 2026
"""

import csv
import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from local.errors import RecipeError
from local.trials import TrialList, read_trials

NEEDED = ("command", "run", "score_file", "scoring", "calibrated", "lists")
OF_LISTS = ("name", "path", "num_trials", "evaluation", "breakdown")


@dataclass(frozen=True)
class ScoredList:
    """One trial list with its scores and what was measured on it.

    Arguments
    ---------
    name : str
    trials : TrialList
    scores : numpy.ndarray
        As the score file has them, shape (trials,).
    evaluation : dict or None
        Metrics with intervals; None where the list has no labels.
    breakdown : list of dict
        The groups of its trials.
    """

    name: str
    trials: TrialList
    scores: np.ndarray
    evaluation: dict | None
    breakdown: list

    @property
    def labelled(self):
        """Scores and labels of the trials whose label is known, each of shape (known trials,)."""
        known = self.trials.labels >= 0
        return self.scores[known], self.trials.labels[known]

    @property
    def content(self):
        """A digest of the trials, equal for lists that can be compared."""
        trials = self.trials
        text = "\n".join(map(str, (trials.labels.tolist(), trials.enrol, trials.test)))
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True)
class Result:
    """One scored run.

    Arguments
    ---------
    label : str
        Its name in the report, different from that of every other result there.
    path : Path
        The JSON file that it was read from.
    about : dict
        What that file holds.
    lists : list of ScoredList
    """

    label: str
    path: Path
    about: dict
    lists: list

    @property
    def run(self):
        """The folder of the training run, also where it was moved with the scores in it."""
        run = Path(self.about["run"])
        return run if run.is_dir() else self.path.parent

    def text(self, name):
        """The text of a file of the run, or None where there is none."""
        path = self.run / name
        if not path.is_file():
            return None
        return path.read_text(encoding="utf-8", errors="replace")

    def train_log(self):
        """The columns of the training log.

        Returns
        -------
        dict of str to numpy.ndarray
            Shape (epochs,), NaN where a cell is empty; no columns where there is no log.
        """
        rows = list(csv.DictReader((self.text("train_log.csv") or "").splitlines()))
        try:
            return {
                column: np.array([float(row[column] or "nan") for row in rows])
                for column in (rows[0] if rows else ())
            }
        except (TypeError, ValueError):
            raise RecipeError(
                f"{self.run / 'train_log.csv'}: not a table of numbers; put the file that the "
                "training wrote in its place, or remove it"
            ) from None

    def embeddings(self):
        """The cached embeddings of all shards.

        Returns
        -------
        Vectors or None
            None where a cache is not there any more.
        """
        paths = [locate(path, self.run / "embeddings") for path in self.about.get("embeddings", [])]
        if not paths or not all(path.is_file() for path in paths):
            return None
        parts = [read_vectors(path) for path in paths]
        return Vectors(
            [name for part in parts for name in part.ids],
            np.concatenate([part.vectors for part in parts]),
        )


class Vectors(NamedTuple):
    """Embeddings: ids as trial lists name utterances, vectors of shape (utterances, dim)."""

    ids: list
    vectors: np.ndarray


def read_vectors(path):
    """Read a file of cached embeddings.

    Arguments
    ---------
    path : Path

    Returns
    -------
    Vectors

    Raises
    ------
    RecipeError
        A file that is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Vectors(arrays["ids"].tolist(), arrays["vectors"])
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile):
        raise RecipeError(
            f"{path}: no embedding cache, or damaged; remove it and score the run again"
        ) from None


def locate(path, folder):
    """A file where it was recorded or, if the run was moved since, of the same name in a folder."""
    path = Path(path)
    return path if path.exists() else Path(folder) / path.name


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
    scores, enrol, test = _read_scores(locate(about["score_file"], path.parent))
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


def _read_scores(path):
    if not path.is_file():
        raise RecipeError(f"{path}: no such score list; score the run again")
    rows = [line.split() for line in path.read_text("utf-8", "surrogateescape").splitlines()]
    try:
        scores, enrol, test = zip(*rows, strict=True)
        scores = np.array(scores, dtype=np.float64)
    except ValueError:
        raise RecipeError(f"{path}: not a list of 'score id1 id2'; score the run again") from None
    if not np.isfinite(scores).all():
        raise RecipeError(f"{path}: {(~np.isfinite(scores)).sum()} scores are not finite")
    return scores, list(enrol), list(test)

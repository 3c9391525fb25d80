"""Scored runs: what a verification has left, and the training before it, read back and checked."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from local.embeddings import Embeddings, join, read_embeddings
from local.errors import RecipeError
from local.layout import utterance_key
from local.results import ListResult, Results, read_results
from local.scoring.enrolment import read_enrolment
from local.scoring.score_list import read_scores
from local.scoring.trials import TrialList, count_kinds, read_trials


@dataclass(frozen=True)
class ScoredList:
    """One trial list with its scores, as the score file has them, and what was measured on it.

    `threshold` is in the unit of the scores, None where they are not calibrated.
    """

    trials: TrialList
    scores: np.ndarray
    result: ListResult
    calibrated: bool
    threshold: float | None

    @property
    def labelled(self) -> tuple[np.ndarray, np.ndarray]:
        """Scores and labels of the trials whose label is known, each of shape (known trials,)."""
        known = self.trials.labels >= 0
        return self.scores[known], self.trials.labels[known]

    @property
    def digest(self) -> str:
        """A digest of the trials, equal for lists that can be compared."""
        trials = self.trials
        content = [trials.labels.tolist(), trials.enrol, trials.test]
        content += [model.utterances for model in trials.models().values()]
        text = "\n".join(map(str, content))
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True)
class ScoredRun:
    """A trained network with one of its score files.

    Arguments
    ---------
    label : str
        Its name in the report, different from that of every other run there.
    path : Path
        The JSON file of its results.
    """

    label: str
    path: Path
    results: Results
    lists: list[ScoredList]

    @property
    def folder(self) -> Path:
        """The folder of the training, also where it was moved with the scores in it."""
        folder = Path(self.results.run)
        return folder if folder.is_dir() else self.path.parent

    def text(self, name: str) -> str | None:
        """The text of a file in the folder of the training, or None where there is none."""
        path = self.folder / name
        if not path.is_file():
            return None
        return path.read_text(encoding="utf-8", errors="replace")

    @cached_property
    def embeddings(self) -> Embeddings | None:
        """The cached embeddings of all that was scored, or None where a cache is gone.

        Nor are there any where the ids of files in it, which other lists may have named since, do
        not tell which of them was scored.
        """
        paths = self.embedding_files
        if not paths or not all(path.is_file() for path in paths):
            return None
        found = join([read_embeddings(path) for path in paths])
        return found if len({*map(utterance_key, found.ids)}) == len(found) else None

    @property
    def embedding_files(self) -> list[Path]:
        """Where these embeddings are, or were."""
        return [_locate(path, self.folder / "embeddings") for path in self.results.embeddings]


def read_runs(paths: Iterable[str | Path]) -> list[ScoredRun]:
    """Read the JSON files that `speaker_verification.py` has left, with all that they name.

    A folder stands for the scores.json in it.

    Raises
    ------
    RecipeError
        A file that is missing, damaged, or does not fit the score or trial lists any more.
    """
    files = [Path(path) for path in dict.fromkeys(map(str, paths))]
    files = [path / "scores.json" if path.is_dir() else path for path in files]
    found = [read_results(path) for path in files]
    return [
        ScoredRun(label, path, results, _read_lists(path, results))
        for label, path, results in zip(_labels(files, found), files, found, strict=True)
    ]


def _labels(files, found):
    """The shortest names that tell the runs apart."""
    runs = [Path(results.run).name or "run" for results in found]
    stems = [f"{run}/{path.stem}" for run, path in zip(runs, files, strict=True)]
    for names in (runs, stems):
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in files]


def _read_lists(path, results):
    scores, enrol, test = read_scores(_locate(results.score_file, path.parent))
    total = sum(result.num_trials for result in results.lists)
    if len(scores) != total:
        raise RecipeError(
            f"{results.score_file}: {len(scores)} scores, but {path} tells of {total}: one of them "
            "has changed since; score the run again"
        )
    lists, start = [], 0
    for result in results.lists:
        own = (result.evaluation or {}).get("self_trials", False)
        models = result.enrolment and read_enrolment(_locate(result.enrolment, path.parent))
        where = _locate(result.path, path.parent)
        trials = read_trials(where, self_trials=own, enrolment=models)
        part = slice(start, start + result.num_trials)
        start = part.stop
        counts = (result.evaluation or {}).get("trials", {})
        same = count_kinds(trials.labels).items() <= counts.items() or not counts
        if not same or trials.pairs() != (enrol[part], test[part]):
            raise RecipeError(
                f"{trials.path}: its {len(trials)} trials are not those that {path} was made of "
                f"({result.num_trials}): the list or the scores have changed since; score the run "
                "again"
            )
        calibration = (results.calibrated, results.threshold)
        lists.append(ScoredList(trials, scores[part], result, *calibration))
    return lists


def _locate(path, folder):
    """A file where it was recorded or, if the run was moved since, of the same name in a folder."""
    path = Path(path)
    return path if path.exists() else Path(folder) / path.name

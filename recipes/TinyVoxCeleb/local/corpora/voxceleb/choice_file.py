"""A choice that somebody has written down, to make the same corpus again from another download."""

import itertools
from collections.abc import Mapping
from pathlib import Path

from local.corpora.utterance_list import read_utterances
from local.corpora.voxceleb.evaluation_lists import EvaluationList, read_list
from local.errors import RecipeError, first_of
from local.layout import TRIAL_LISTS, utterance_key

SPLITS = ("train", "val", "dev", "eval")
EVAL_LISTS = "eval_trials*.txt"

Splits = dict[str, dict[str, list[str]]]  # utterance ids by split and speaker


def read_choice(path: str | Path, download) -> Splits:
    """The splits of a list of utterances, all of which the download is to have; see `choose`.

    Raises
    ------
    RecipeError
        Utterances that are missing: how many, and the first five. Splits that are none, lack
        speakers, or share what they may not, see `check_apart`.
    """
    splits: Splits = {split: {} for split in SPLITS}
    missing, count = [], 0
    for split, name, _ in read_utterances(path):
        identifier = utterance_key(name)
        if split not in splits or identifier.count("/") != 2:
            raise RecipeError(
                f"{path}: found {name!r} in {split!r}: expected utterances 'speaker/session/"
                f"utterance' in {', '.join(SPLITS)}"
            )
        splits[split].setdefault(identifier.split("/")[0], []).append(identifier)
        if identifier not in download.paths:
            missing.append(identifier)
        count += 1
    if missing:
        people = len({identifier.split("/")[0] for identifier in missing})
        raise RecipeError(
            f"{download.data_folder}: lacks {len(missing)} of the {count} utterances of {path}, of "
            f"{people} speaker{'s' * (people > 1)}, first {first_of(missing)}: complete "
            "the download, or take another choice"
        )
    splits = {
        split: {name: sorted(ids) for name, ids in sorted(speakers.items())}
        for split, speakers in splits.items()
        if speakers or split != "eval"
    }
    check_apart(splits, path)
    return splits


def check_apart(splits: Splits, path: str | Path) -> None:
    """Check that no split is empty, and that they share nothing but the speakers of train and val.

    What is wrong is a RecipeError.
    """
    for split, speakers in splits.items():
        if len(speakers) < 2:
            raise RecipeError(f"{path}: {len(speakers)} speakers in {split}: expected two or more")
        for ids in speakers.values():
            if len(set(ids)) != len(ids):
                double = next(one for one, other in itertools.pairwise(ids) if one == other)
                raise RecipeError(f"{path}: {double} is twice in {split}: name it once")
    if strangers := sorted(splits["val"].keys() - splits["train"].keys()):
        raise RecipeError(
            f"{path}: speakers of val who are not in train: {first_of(strangers)}; val has other "
            "sessions of the same"
        )
    sets = [{*splits["train"]}, {*splits["dev"]}, {*splits.get("eval", ())}]
    if shared := sorted(set().union(*(a & b for a, b in itertools.combinations(sets, 2)))):
        raise RecipeError(
            f"{path}: speakers in more than one of train, dev and eval: {first_of(shared)}: the "
            "unseen would be known"
        )
    for speaker, ids in splits["val"].items():
        held_out = {name.rpartition("/")[0] for name in ids}
        trained_on = {name.rpartition("/")[0] for name in splits["train"][speaker]}
        if both := sorted(held_out & trained_on):
            raise RecipeError(
                f"{path}: session {both[0]} is in train and in val: hold it out whole"
            )


def lists_beside(path: str | Path, splits: Splits) -> list[EvaluationList]:
    """The trial lists that lie beside a choice, as in the corpus that it was written for.

    One that names an utterance of another split is a RecipeError.
    """
    folder = Path(path).parent
    names = {name: split for split, name in TRIAL_LISTS.items()}
    names |= {each.name: "eval" for each in sorted(folder.glob(EVAL_LISTS))}
    found = []
    for name, split in names.items():
        if (folder / name).is_file():
            found.append(read_list(folder / name, name))
            check_named(found[-1], splits.get(split, {}), f"utterances of {split} in {path}")
    return found


def check_named(trials: EvaluationList, speakers: Mapping[str, list[str]], where: str) -> None:
    """Check that all utterances of a list are among those of some speakers, or raise."""
    known = {name for ids in speakers.values() for name in ids}
    if missing := [name for name in trials.utterances if name not in known]:
        raise RecipeError(
            f"{trials.path}: {len(missing)} of its {len(trials.utterances)} utterances are not "
            f"among the {where}, first {first_of(missing)}: complete these, or name "
            "other lists, or none"
        )

"""Which audio files of a folder the ids of trial lists mean."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from local.corpora.named_files import NamedFile, NamedFiles, stem_of
from local.errors import RecipeError, first_of
from local.layout import utterance_key
from local.scoring.lines import brief
from local.scoring.trials import TrialList


def find_recordings(
    lists: Iterable[TrialList], folder: str | Path
) -> tuple[list[TrialList], dict[str, str]]:
    """The trials, once their utterances are found among the audio files of a folder.

    Returns
    -------
    The lists, with the utterances that their ids mean, and the path of each within the folder.

    Raises
    ------
    RecipeError
        How many utterances are not there, and the first five of these; an id that means two files,
        or two utterances that mean one; see `TrialList.meaning`.
    """
    lists, source = list(lists), NamedFiles(folder)
    named = {name: None for trials in lists for name in trials.named()}
    found = source.find(named)
    for trials in lists:
        _check_found(trials, found, folder)
    keys = _choose_keys(found, folder)
    meant = {name: keys[file.path] for name, file in found.items()}
    others = {name: key for name, key in meant.items() if utterance_key(name) != key}
    marked = []
    for trials in lists:
        own = {name: others[name] for name in trials.named() if name in others}
        marked.append(trials.meaning(own) if own else trials)
    return marked, {key: path for path, key in keys.items()}


def _check_found(trials, found, folder):
    if not (missing := [name for name in trials.named() if name not in found]):
        return
    where, whole = trials.path, len(trials.named())
    for model in trials.models().values():
        if lacking := [name for name in model.utterances if name not in found]:
            where, missing, whole = trials.enrolment.where(model), lacking, len(model.utterances)
            break
    raise RecipeError(
        f"{where}: {len(missing)} of {whole} utterances are not in {folder}, first "
        f"{first_of([*map(brief, missing)])}: looked for these paths there, below it and from "
        "the folders above it, with .wav and other extensions, and with - _ @ for /; name the "
        "folder that holds them, or mend the list"
    )


def _choose_keys(found: dict[str, NamedFile], folder) -> dict[str, str]:
    """For each file the key of its utterance: what most of its ids tell, if they agree."""
    names = defaultdict(dict)  # in the order of the lists
    for name, file in found.items():
        names[file.path].setdefault(utterance_key(stem_of(name)) if not file.joined else "", name)
    keys, homes = {}, {}
    for path, told in names.items():
        plain = {key: name for key, name in told.items() if key}
        key = max(plain, key=lambda one: one.count("/"), default=utterance_key(stem_of(path)))
        for other, name in plain.items():
            if f"/{key}".endswith(f"/{other}"):
                continue
            raise RecipeError(
                f"{folder}: {brief(plain[key])} and {brief(name)} would both be {path}: expected "
                "one utterance a file; name the folder above it, or mend the lists"
            )
        if (home := homes.setdefault(key, path)) != path:
            raise RecipeError(
                f"{folder}: {home} and {path} are both the utterance {key}, as the last three "
                "parts of a path tell it: score them in two calls"
            )
        keys[path] = key
    return keys

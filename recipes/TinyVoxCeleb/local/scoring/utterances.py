"""Which utterances of shards the ids of a trial list mean."""

import collections
from collections.abc import Iterable

from local.errors import RecipeError, first_of
from local.layout import JOINERS, utterance_key
from local.scoring.lines import brief
from local.scoring.trials import TrialList


def find_utterances(trials: TrialList, keys: Iterable[str]) -> TrialList:
    """The trials, once shards are found to hold each of their utterances, before anything long.

    The keys are those of the utterances in the shards. Ids that have "-" or "_" for "/", as Kaldi's
    lists and folders without subfolders do, or "@", as NeMo's embeddings, mean the one utterance
    that has them so: a session may hold them, so nothing but the shards tells where its name ends.

    Raises
    ------
    RecipeError
        How many trials, or of which model how many utterances, are in no shard, and the first five
        of these; an id that means two of them; a label that contradicts the speakers that such ids
        mean, or a model of two.
    """
    keys = set(map(utterance_key, keys))
    absent = [name for name in trials.named() if utterance_key(name) not in keys]
    if not absent:
        return trials
    meant = _find_joined(absent, keys, trials.path)
    if missing := dict.fromkeys(name for name in absent if name not in meant):
        for model in trials.models().values():
            if lacking := [name for name in model.utterances if name in missing]:
                raise RecipeError(
                    f"{trials.enrolment.where(model)}: {len(lacking)} of {len(model.utterances)} "
                    f"utterances are in no shard, first {first_of([*map(brief, lacking)])}; name "
                    "the shards that hold them, or mend the list"
                )
        pairs = zip(*trials.utterances(), strict=True)
        count = sum(not missing.keys().isdisjoint(pair) for pair in pairs)
        first = first_of([*map(brief, missing)])
        raise RecipeError(
            f"{trials.path}: {count} of {len(trials)} trials name utterances that are in no shard, "
            f"{len(missing)} in all, first {first}; name the shards that hold them, or mend the "
            "list"
        )
    return trials.meaning(meant)


def _find_joined(names, keys, path):
    """The utterances of those names whose parts are joined otherwise than by "/"."""
    joined = collections.defaultdict(set)
    for key in keys:
        for joiner in JOINERS if "/" in key else ():
            joined[key.replace("/", joiner)].add(key)
    meant = {}
    for name in names:
        whole = utterance_key(name)
        found = joined.get(whole) or joined.get(whole.rpartition("/")[2]) or set()
        if len(found) > 1:
            raise RecipeError(
                f"{path}: {brief(name)} may be {' or '.join(sorted(map(brief, found)))}: write the "
                "ids of the list as 'speaker/session/utterance'"
            )
        if found:
            meant[name] = min(found)
    return meant

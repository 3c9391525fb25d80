"""What splits share and should not: speakers and utterances, by their ids and by their audio."""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np

from local.errors import RecipeError, first_of
from local.layout import composed, in_two_cases, spelt_twice


def known_speakers(dev: Iterable[str], *others: Iterable[str]) -> list[str]:
    """The speakers of dev utterances who speak in others too, and so are not unseen; sorted."""
    first, *rest = ({composed(key.split("/")[0]) for key in ids} for ids in (dev, *others))
    return sorted(first & set().union(*rest))


def shared_ids(splits: dict[str, list[str]]) -> str:
    """Tell what splits share by their ids, "speaker/session/utterance"; "" if nothing.

    Speakers of dev are to be neither in train nor in val, and an utterance in one split only.
    """
    named = {split: set(map(composed, ids)) for split, ids in splits.items()}
    told = []
    others = [named.get(split, []) for split in ("train", "val")]
    if known := known_speakers(named.get("dev", []), *others):
        told.append(f"dev speakers that are in train or val too: {len(known)} ({first_of(known)})")
    for first, second in itertools.combinations(named, 2):
        if both := sorted(named[first] & named[second]):
            told.append(f"utterances both in {first} and {second}: {len(both)} ({first_of(both)})")
    return "; ".join(told)


def check_apart(splits: dict[str, list[str]], allow: bool) -> str:
    """Check that splits share no ids, see `shared_ids`; returns what they do, if it is allowed.

    It also tells of speakers whose names differ in letter case only.

    Raises
    ------
    RecipeError
        They do, and `allow` is False. A split has one name in two forms of Unicode, which look
        alike: of one speaker two classes would be made.
    """
    for split, ids in splits.items():
        speakers = (key.split("/")[0] for key in ids)
        if alike := spelt_twice(speakers, composed) or spelt_twice(ids, composed):
            raise RecipeError(
                f"{split}: names that look alike, in two forms of Unicode: {len(alike)} "
                f"({first_of(alike)}): give each its composed form (NFC), and merge the folders"
            )
    found = shared_ids(splits)
    if found and not allow:
        raise RecipeError(
            f"{found}; results on them would be those of known speech: write the splits anew "
            "without them, or let it be with allow_shared_ids"
        )
    speakers = (key.split("/")[0] for split in splits if split != "eval" for key in splits[split])
    return "; ".join(filter(None, (found, in_two_cases(speakers))))


def shared_lines(shared: str, splits: dict[str, tuple[np.ndarray, np.ndarray]]) -> Iterator[str]:
    """What a user is to be told: what splits share by ids, by audio, and what is not known.

    There is what `check_apart` gives, and what `same_audio` takes.
    """
    for told in filter(None, (shared, same_audio(splits))):
        yield f"warning: {told}"
    if unknown := [split for split, (_, digests) in splits.items() if not digests.any(1).all()]:
        yield (
            f"note: audio of {', '.join(unknown)} was not compared with that of other splits and "
            "speakers: beside the shards there is no shards.json with digests of all of it, as "
            "with --no_check, or of another program"
        )


def same_audio(splits: dict[str, tuple[np.ndarray, np.ndarray]]) -> str:
    """Tell which recordings are in two splits, under two speakers or twice; "" if none.

    For each split there are the sample ids and the digests of their audio, as a `ShardIndex` has
    them; utterances without digest are passed over. Digests are of all samples: of a recording that
    was trimmed, made louder or coded anew, nobody knows here that it is the same.
    """
    words = np.concatenate([digests for _, digests in splits.values()]).view("<u8")
    order = np.argsort(words[:, 0], kind="stable")  # 64 bits of them tell digests apart
    ranked = words[order]
    same = (ranked[1:] == ranked[:-1]).all(axis=1) & ranked[1:].any(axis=1)
    starts = np.cumsum([0, *(len(digests) for _, digests in splits.values())])
    found, first = [], 0
    for place in np.flatnonzero(same).tolist():
        if not (place and same[place - 1]):
            first = order[place]
        found.append((int(first), int(order[place + 1])))

    def named(row):
        number = int(np.searchsorted(starts, row, side="right")) - 1
        split = list(splits)[number]
        return split, splits[split][0][row - starts[number]].decode()

    pairs = {"in two splits": [], "under two speakers": [], "twice of one speaker": []}
    for (split, one), (other_split, other) in ([*map(named, rows)] for rows in sorted(found)):
        if split != other_split:
            where = "in two splits"
        elif one.split("/")[0] != other.split("/")[0]:
            where = "under two speakers"
        else:
            where = "twice of one speaker"
        pairs[where].append(f"{split}/{one} = {other_split}/{other}")
    return "; ".join(
        f"recordings with the same audio {where}: {len(names)} ({first_of(names)})"
        for where, names in pairs.items()
        if names
    )

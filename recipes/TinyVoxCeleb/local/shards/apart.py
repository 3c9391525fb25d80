"""What splits share and should not: speakers and utterances, by their ids and by their audio."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

from local.errors import RecipeError

NAMED = 5  # of what is shared: so many are listed


def known_speakers(dev: Iterable[str], *others: Iterable[str]) -> list[str]:
    """The speakers of dev utterances who speak in others too, and so are not unseen; sorted."""
    first, *rest = ({key.split("/")[0] for key in ids} for ids in (dev, *others))
    return sorted(first & set().union(*rest))


def shared_ids(splits: dict[str, list[str]]) -> str:
    """Tell what splits share by their ids, "speaker/session/utterance"; "" if nothing.

    Speakers of dev are to be neither in train nor in val, and an utterance in one split only.
    """
    named = {split: set(ids) for split, ids in splits.items()}
    told = []
    others = [named.get(split, []) for split in ("train", "val")]
    if known := known_speakers(named.get("dev", []), *others):
        told.append(f"dev speakers that are in train or val too: {len(known)} ({_few(known)})")
    for first, second in itertools.combinations(named, 2):
        if both := sorted(named[first] & named[second]):
            told.append(f"utterances both in {first} and {second}: {len(both)} ({_few(both)})")
    return "; ".join(told)


def check_apart(splits: dict[str, list[str]], allow: bool) -> str:
    """Check that splits share no ids, see `shared_ids`; returns what they do, if it is allowed.

    Raises
    ------
    RecipeError
        They do, and `allow` is False.
    """
    found = shared_ids(splits)
    if found and not allow:
        raise RecipeError(
            f"{found}; results on them would be those of known speech: write the splits anew "
            "without them, or let it be with allow_shared_ids"
        )
    return found


def _few(names):
    return ", ".join(names[:NAMED]) + ", …" * (len(names) > NAMED)


@dataclass
class SameAudio:
    """Recordings that have the same samples, in two splits or under two speakers."""

    first: dict[bytes, tuple[str, str]] = field(default_factory=dict)  # digest: split, sample id
    pairs: dict[str, list[str]] = field(default_factory=dict)

    def add(self, digest: bytes, split: str, sample_id: str) -> None:
        """Take in a recording by the digest of its samples."""
        known_split, known_id = self.first.setdefault(digest, (split, sample_id))
        speakers = {known_id.split("/")[0], sample_id.split("/")[0]}
        pair = f"{known_split}/{known_id} = {split}/{sample_id}"
        if known_split != split:
            self.pairs.setdefault("in two splits", []).append(pair)
        elif len(speakers) > 1:
            self.pairs.setdefault("under two speakers", []).append(pair)

    def __str__(self):
        return "; ".join(
            f"recordings with the same audio {where}: {len(pairs)} ({_few(pairs)})"
            for where, pairs in self.pairs.items()
        )

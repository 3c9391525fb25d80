"""Who of VoxCeleb is not to be trained on, so that what is evaluated stays unseen."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from local.corpora.voxceleb.download import Person
from local.corpora.voxceleb.evaluation_lists import EvaluationList, find_overlap, read_overlap
from local.corpora.voxceleb.names import SPEAKER
from local.errors import RecipeError, first_of


def overlapping(named: str | None, near: list[Path], notes: list[str]) -> set[str]:
    """The speakers of VoxCeleb2 who are known to be in VoxCeleb1, by a list given or found."""
    path = named or find_overlap(near)
    if not path:
        return set()
    found = read_overlap(path)
    if not named:
        notes.append(f"{path}: tells {len(found)} speakers of VoxCeleb2 who are in VoxCeleb1")
    return found


def left_out(
    people: Mapping[str, Person], lists: Iterable[EvaluationList], overlap: Collection[str]
) -> dict[str, set[str]]:
    """The speakers who may not be chosen, by the reason; each is there once.

    That nobody of VoxCeleb2 is in VoxCeleb1 is said of its dev set alone (J. S. Chung et al.,
    "VoxCeleb2: Deep Speaker Recognition", Interspeech 2018). Who is called by a name, as in
    VoxCeleb1's first edition, may lie there a second time under an id.
    """
    evaluated = set().union(*(each.speakers for each in lists))
    parts = {}
    for name, person in people.items():
        parts.setdefault(person.part, set()).add(name)
    reasons = {
        "of VoxCeleb1's test set": parts.get("vox1-test", set()),
        "of the lists that are evaluated": evaluated & people.keys(),
        "of VoxCeleb2 who are in VoxCeleb1": {*overlap} & people.keys(),
    }
    if evaluated:
        title = "of VoxCeleb2's test set, who may be in VoxCeleb1"
        reasons[title] = parts.get("vox2-test", set())
    named = {name for name in people if not SPEAKER.fullmatch(name)}
    if (parts.get("vox1-dev", set()) | parts.get("vox1-test", set())) - named:
        reasons["called by names, who may be among those with ids"] = named
    seen = set()
    for reason, names in reasons.items():
        reasons[reason] = names - seen
        seen |= names
    return {reason: names for reason, names in reasons.items() if names}


def left_out_note(reasons: Mapping[str, Collection[str]]) -> str:
    """How many are left out, for messages.

    Example
    -------
    >>> left_out_note({"of VoxCeleb1's test set": {"id10270"}, "of the lists": {"id10001"}})
    "left out: 1 of VoxCeleb1's test set, 1 of the lists"
    """
    counts = ", ".join(f"{len(names):,} {reason}" for reason, names in reasons.items())
    return f"left out: {counts}" if counts else ""


def check_unseen(
    splits: Mapping[str, Mapping], reasons: Mapping[str, Collection[str]], path: str
) -> None:
    """Check that a choice of somebody else trains on nobody who is to be left out, or raise."""
    chosen = splits["train"].keys() | splits["dev"].keys()
    for reason, names in reasons.items():
        if wrong := sorted(chosen & names):
            raise RecipeError(
                f"{path}: {len(wrong)} speakers of train or dev are {reason}: {first_of(wrong)}; "
                "take another choice"
            )

"""Orders of crops by their speakers: each equally often, or crops of one side by side."""

import contextlib

import numpy as np

from local.errors import RecipeError
from local.shards import ShardIndex


def balanced_items(classes: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """Draw numbers of as many items as have classes, each class equally often on average."""
    # Here, because it takes a second that those who only verify need not wait.
    from speechbrain.dataio.sampler import BalancingDataSampler

    sampler = BalancingDataSampler(_Classes(classes), "class_idx", seed=seed, epoch=epoch)
    return np.fromiter(sampler, np.int64, len(classes))


def speaker_groups(classes: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Put items together by speaker, each item once; then choose as many groups as they fill.

    A speaker's last group is filled up with others of the speaker's items, so there may be more
    groups than the items fill; those left out are drawn at random.

    Items are told by the classes of their speakers, each of whom has at least `size`. The result is
    numbers of items, shape (items // size, size); those of a group differ.

    Example
    -------
    >>> speaker_groups(np.array([7, 8, 8, 7, 8]), 2, np.random.default_rng(0)).tolist()
    [[1, 2], [3, 0]]
    """
    shuffled = rng.permutation(len(classes))
    shuffled = shuffled[np.argsort(classes[shuffled], kind="stable")]
    _, counts = np.unique(classes, return_counts=True)
    groups = []
    for items in np.split(shuffled, np.cumsum(counts)[:-1]):
        filled = np.append(items, items[: -len(items) % size])
        groups.append(filled.reshape(-1, size))
    return rng.permutation(np.concatenate(groups))[: len(classes) // size]


def check_groups(
    index: ShardIndex, crops_per_utterance: int, crops_per_speaker: int, batch_size: int
) -> None:
    """Check that batches can be made of groups of a speaker's crops.

    Raises
    ------
    RecipeError
        A speaker has fewer crops; a batch is not made of whole groups.
    """
    if batch_size % crops_per_speaker:
        raise RecipeError(
            f"batch_size {batch_size}: expected a multiple of crops_per_speaker {crops_per_speaker}"
        )
    _, first, counts = np.unique(index.class_idx, return_index=True, return_counts=True)
    fewest = counts.argmin()
    if (crops := int(counts[fewest]) * crops_per_utterance) < crops_per_speaker:
        speaker = index[int(first[fewest])].speaker_id
        raise RecipeError(
            f"crops_per_speaker {crops_per_speaker}: {speaker} gives {crops} crops an epoch; raise "
            "crops_per_utterance"
        )


class _Classes:
    """The classes of all items, as SpeechBrain's samplers ask a data set for them."""

    def __init__(self, classes):
        self.classes = classes.tolist()

    def __len__(self):
        return len(self.classes)

    def __iter__(self):
        return ({"class_idx": class_idx} for class_idx in self.classes)

    def output_keys_as(self, keys):
        return contextlib.nullcontext()

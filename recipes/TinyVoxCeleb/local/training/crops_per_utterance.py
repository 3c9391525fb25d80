"""How many crops an utterance is to give, so that a tiny corpus still gets enough training steps.

Usage
-----
> python -m local.training.crops_per_utterance hparams/prototype.yaml --shard_folder SHARDS
"""

import math
import sys

from hyperpyyaml import resolve_references

from local.errors import one_line_errors
from local.hparams import parse_arguments, read_hparams, settings
from local.shards import index_shards

EPOCHS = 30
STEPS = 600


def enough_crops(num_utterances, batch_size, crops_per_utterance=1):
    """Crops per utterance with which 30 epochs have about 600 optimiser steps or more.

    Arguments
    ---------
    num_utterances : int
        Of the training set.
    batch_size : int
        Crops a batch.
    crops_per_utterance : int
        What is asked for: the least.

    Returns
    -------
    int

    Example
    -------
    >>> enough_crops(num_utterances=244, batch_size=128), enough_crops(10_000, 128)
    (11, 1)
    """
    needed = math.ceil(STEPS / EPOCHS * batch_size / num_utterances)
    return max(crops_per_utterance, needed)


def main(argv):
    """Print the number; say so where it was raised."""
    path, _, overrides = parse_arguments(argv, __doc__)
    with one_line_errors():
        text, given = read_hparams(path, overrides)
        hparams = settings(resolve_references(text, given).getvalue())
        crops = asked = int(hparams["crops_per_utterance"])
        if "crops_per_utterance" not in given:  # else somebody knows better
            index = index_shards(hparams["train_shards"])
            crops = enough_crops(len(index), int(hparams["batch_size"]), asked)
        if crops > asked:
            print(
                f"{len(index)} training utterances give few steps an epoch: each gives {crops} "
                f"random crops, so that {EPOCHS} epochs have at least {STEPS} optimiser steps",
                file=sys.stderr,
            )
        print(crops)


if __name__ == "__main__":
    main(sys.argv[1:])

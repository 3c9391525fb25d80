"""Trial lists as VoxCeleb1 has them, and audio of no speaker, for small VoxCelebs."""

import itertools

import numpy as np


def noise(identifier, _):
    """The signal of an utterance, for `voxceleb_trees.build`: made in no time."""
    return np.random.default_rng(list(identifier.encode())).uniform(-0.3, 0.3, 1600)


def write_list(path, ids, speakers, *, number=60):
    """An official list: trials of the utterances of some speakers, each of which is named."""
    names = [name for name in ids if name[:7] in speakers]
    pairs = list(itertools.combinations(names, 2))
    step = max(1, len(pairs) // number)
    pairs = [*pairs[::step], *itertools.pairwise(names)]
    path.write_text("".join(f"{int(a[:7] == b[:7])} {a}.wav {b}.wav\n" for a, b in pairs))
    return path

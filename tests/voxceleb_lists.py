"""Corpora of small VoxCelebs, with trial lists as VoxCeleb1 has them, and audio of no speaker."""

import itertools

import numpy as np

from local.corpora.__main__ import prepare
from local.corpora.utterance_list import read_utterances
from local.corpora.voxceleb.choice import Amounts
from local.corpora.voxceleb.options import VoxCelebOptions
from voxceleb_trees import VOX2_TEST, build

NUMBERS = (*range(10001, 10011), *range(12, 23), 10270, 10275, 10308, 10309)
PEOPLE = {f"id{number:05}": "fm"[number % 2] for number in NUMBERS}
PEOPLE |= VOX2_TEST  # one of whom is among these
TEST = {"id10270", "id10275", "id10308", "id10309"}
FEW = {"speakers": 6, "dev_speakers": 4}


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


def build_vox(folder, layout="parts", **options):
    """VoxCeleb1 and 2, some speakers of each part, with VoxCeleb1-O's list; returns the folder."""
    ids = build(folder, layout, PEOPLE, sessions=4, of=noise, **options)
    write_list(folder / "veri_test2.txt", ids, TEST)
    return folder


def make(folder, out, *, seed=123, evaluate=None, choice=None, overlap=None, **amounts):
    """A corpus of FEW speakers, or of as many as `amounts` or a choice tell."""
    amounts = Amounts(**({} if choice else FEW | amounts))
    options = VoxCelebOptions(amounts, evaluate, choice, overlap)
    prepare("voxceleb", folder, out, seed, options)
    return out / "corpus"


def splits_of(corpus):
    """Utterance ids by split and speaker."""
    splits = {}
    for split, name, _ in read_utterances(corpus / "utterances.csv"):
        splits.setdefault(split, {}).setdefault(name[:7], []).append(name)
    return splits

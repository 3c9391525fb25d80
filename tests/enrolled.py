"""Made-up speakers, enrolled as models: embeddings, and the lists that name them."""

from pathlib import Path

import numpy as np

from local.embeddings import Embeddings
from local.scoring.enrolment import read_enrolment


def made_up(num_speakers=12, utterances=8, dim=16, noise=1.0, seed=0):
    """Embeddings of speakers s00, s01, …, with as many utterances each."""
    rng = np.random.default_rng(seed)
    ids = [f"s{s:02d}/v{u // 2}/{u:03d}" for s in range(num_speakers) for u in range(utterances)]
    vectors = np.repeat(rng.normal(size=(num_speakers, dim)), utterances, axis=0)
    vectors += noise * rng.normal(size=vectors.shape)
    return Embeddings(ids, np.float32(vectors), rng.integers(16000, 160000, len(ids)), {})


def write_models(path, ids, most=4, form="{} {}", names="model-{}"):
    """An enrolment list: the first utterances of each speaker, 1 to `most` of them in turn."""
    speakers = {}
    for key in ids:
        speakers.setdefault(key.split("/")[0], []).append(key)
    lines = []
    for number, (speaker, keys) in enumerate(speakers.items()):
        joined = " ".join(keys[: number % most + 1])
        lines.append(form.format(names.format(speaker), joined))
    Path(path).write_text("".join(f"{line}\n" for line in lines))
    return read_enrolment(path)


def write_trials_of_models(path, models, ids):
    """All trials of models with the utterances of none of them."""
    enrolled = {name for model in models.models.values() for name in model.utterances}
    lines = []
    for model in models.models.values():
        speaker = model.utterances[0].split("/")[0]
        for key in ids:
            if key not in enrolled:
                lines.append(f"{int(key.split('/')[0] == speaker)} {model.name} {key}.wav\n")
    Path(path).write_text("".join(lines))
    return Path(path)

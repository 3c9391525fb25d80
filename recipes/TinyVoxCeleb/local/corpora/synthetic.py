"""A corpus of artificial voices, for tests and for machines without any speech.

Nothing here is as hard as real speech: an EER on it shows that things work, no more.
"""

import zlib
from pathlib import Path

import numpy as np
from tqdm import tqdm

from local.corpora.artificial_voices import draw_voice, record, speak
from local.corpora.splits import make_trial_lists, write_lists
from local.errors import RecipeError
from local.files import atomic_folder
from local.layout import write_utterance


def prepare_synthetic(
    corpus_folder: str | Path,
    seed: int = 123,
    num_train_speakers: int = 20,
    num_dev_speakers: int = 8,
    utterances_per_speaker: int = 10,
    skip_prep: bool = False,
) -> None:
    """Make a corpus of artificial voices, half of them female, in the tiny-voxceleb layout.

    Where the folder exists, or with `skip_prep`, nothing is done; it appears once it is complete.
    Utterances have 2 to 4 seconds. Three in ten of a training speaker, at least two, become val.
    Trials pair speakers of the same sex. Equal arguments give equal corpora, byte for byte.

    Raises
    ------
    RecipeError
        Fewer than four speakers of a kind, two of either sex, or fewer than three utterances.

    Example
    -------
    >>> corpus = getfixture("tmp_path") / "corpus"
    >>> prepare_synthetic(corpus, num_train_speakers=4, num_dev_speakers=4)
    >>> sorted(path.name for path in corpus.iterdir())
    ['dev', 'dev_trials.txt', 'tiny_meta.csv', 'train', 'val', 'val_trials.txt']
    """
    corpus_folder = Path(corpus_folder)
    if skip_prep or corpus_folder.is_dir():
        return
    if min(num_train_speakers, num_dev_speakers) < 4 or utterances_per_speaker < 3:
        raise RecipeError(
            f"synthetic corpus: {num_train_speakers} training speakers, {num_dev_speakers} dev "
            f"speakers and {utterances_per_speaker} utterances asked for; at least 4, 4 and 3 are "
            "needed for same-sex trials"
        )
    num_val = max(2, round(0.3 * utterances_per_speaker))
    splits = {"train": {}, "val": {}, "dev": {}}
    gender = {}
    for number in range(num_train_speakers + num_dev_speakers):
        speaker = f"syn{number:04d}"
        gender[speaker] = "fm"[number % 2]
        names = [f"{place:05d}" for place in range(utterances_per_speaker)]
        if number < num_train_speakers:
            parts = {("train", "train"): names[num_val:], ("val", "held-out"): names[:num_val]}
        else:
            parts = {("dev", "dev"): names}
        for (split, session), part in parts.items():
            splits[split][speaker] = [f"{speaker}/{session}/{name}" for name in part]

    with atomic_folder(corpus_folder) as corpus:
        jobs = [(split, *item) for split in splits for item in splits[split].items()]
        for split, speaker, utterances in tqdm(jobs, desc="synthesis", disable=None):
            # Voices and utterances are drawn by their ids, so that none depends on what is before.
            voice = draw_voice(_generator(seed, speaker), gender[speaker])
            for utterance in utterances:
                rng = _generator(seed, utterance)
                signal = record(speak(voice, rng, rng.uniform(2, 4)), rng)
                write_utterance(corpus, split, utterance, signal)
        trials = make_trial_lists(splits, seed=seed, sex=gender)
        write_lists(corpus, splits, trials, gender=gender)


def _generator(seed, name):
    return np.random.default_rng([seed, zlib.crc32(name.encode())])

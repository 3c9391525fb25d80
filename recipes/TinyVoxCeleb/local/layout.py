"""The tiny-voxceleb layout on disk, as every corpus here yields it.

<corpus>/{train,val,dev}/<speaker>/<session>/<utterance>.wav     16 kHz mono PCM16
<corpus>/{val,dev}_trials.txt
<corpus>/tiny_meta.csv                                           one row a speaker
"""

from pathlib import Path

import numpy as np
import soundfile as sf

SAMPLE_RATE = 16000
EVAL_PREFIX = "eval/wav/"
TRIAL_LISTS = {"val": "val_trials.txt", "dev": "dev_trials.txt"}
META_FILE = "tiny_meta.csv"


def utterance_key(identifier: str) -> str:
    """The one spelling under which shards, trial lists and score lists name an utterance.

    Arguments
    ---------
    identifier :
        "speaker/session/utterance" or a hash, with or without ".wav" (or ".flac"); evaluation
        files may carry the "eval/wav/" that their path in the shards has.

    Example
    -------
    >>> utterance_key("id10012/0AXjxNXiEzo/00001.wav"), utterance_key("eval/wav/d045")
    ('id10012/0AXjxNXiEzo/00001', 'd045')
    """
    return identifier.removesuffix(".wav").removesuffix(".flac").removeprefix(EVAL_PREFIX)


def write_utterance(corpus: str | Path, split: str, utterance_id: str, signal: np.ndarray) -> None:
    """Write one utterance, "speaker/session/utterance", where the layout wants it.

    The signal is mono at 16 kHz with samples in [-1, 1], of shape (time,).
    """
    path = Path(corpus) / split / f"{utterance_id}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, signal, SAMPLE_RATE, subtype="PCM_16")

"""The tiny-voxceleb layout on disk, as every corpus here yields it.

<corpus>/{train,val,dev}/<speaker>/<session>/<utterance>.wav     16 kHz mono PCM16
<corpus>/{val,dev}_trials.txt
<corpus>/tiny_meta.csv                                           one row a speaker
"""

import csv
from pathlib import Path

import soundfile as sf

from local.files import atomic_file

SAMPLE_RATE = 16000
EVAL_PREFIX = "eval/wav/"
META_COLUMNS = ("id", "gender", "nationality", "set", "idx")


def utterance_key(identifier):
    """The one spelling under which shards, trial lists and score lists name an utterance.

    Arguments
    ---------
    identifier : str
        "speaker/session/utterance" or a hash, with or without ".wav" (or ".flac"); evaluation
        files may carry the "eval/wav/" that their path in the shards has.

    Returns
    -------
    str

    Example
    -------
    >>> utterance_key("id10012/0AXjxNXiEzo/00001.wav"), utterance_key("eval/wav/d045")
    ('id10012/0AXjxNXiEzo/00001', 'd045')
    """
    return identifier.removesuffix(".wav").removesuffix(".flac").removeprefix(EVAL_PREFIX)


def write_utterance(corpus, split, utterance_id, signal):
    """Write one utterance where the layout wants it.

    Arguments
    ---------
    corpus : Path
    split : str
        "train", "val" or "dev".
    utterance_id : str
        "speaker/session/utterance".
    signal : numpy.ndarray
        Mono samples in [-1, 1] at 16 kHz, shape (time,).
    """
    path = Path(corpus) / split / f"{utterance_id}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, signal, SAMPLE_RATE, subtype="PCM_16")


def write_meta(corpus, *, train_speakers, dev_speakers, gender=None, nationality=None):
    """Write tiny_meta.csv: a class index for each training speaker, none for dev speakers.

    Arguments
    ---------
    corpus : Path
    train_speakers : iterable of str
        Numbered from 0 in sorted order.
    dev_speakers : iterable of str
    gender : dict of str to str, optional
    nationality : dict of str to str, optional
    """
    gender, nationality = gender or {}, nationality or {}
    with atomic_file(Path(corpus) / "tiny_meta.csv") as fout:
        writer = csv.writer(fout, lineterminator="\n")
        writer.writerow(META_COLUMNS)
        rows = [(speaker, "train", idx) for idx, speaker in enumerate(sorted(train_speakers))]
        rows += [(speaker, "dev", "") for speaker in sorted(dev_speakers)]
        for speaker, split, idx in rows:
            row = (speaker, gender.get(speaker, ""), nationality.get(speaker, ""), split, idx)
            writer.writerow(row)

"""The tiny-voxceleb layout on disk, as every corpus here yields it.

<corpus>/{train,val,dev}/<speaker>/<session>/<utterance>.wav     16 kHz mono PCM16
<corpus>/{val,dev}_trials.txt
<corpus>/tiny_meta.csv                                           one row a speaker
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import soundfile as sf

from local.errors import first_of

SAMPLE_RATE = 16000
JOINERS = "-_@"  # what stands for "/" in ids that are to be names of files
PLAIN = re.compile(r"(?!eval/wav/)[\w-]+/[\w-]+/[\w-]+", re.ASCII)  # ids with nothing to mend
EVAL_FOLDERS = (["eval", "wav"], ["wav"])
TRIAL_LISTS = {"val": "val_trials.txt", "dev": "dev_trials.txt"}
META_FILE = "tiny_meta.csv"


def utterance_key(identifier: str) -> str:
    """The one spelling under which shards, trial lists and score lists name an utterance.

    Arguments
    ---------
    identifier :
        "speaker/session/utterance" or a hash, with or without ".wav" (or ".flac"); evaluation
        files may carry the "eval/wav/" that their path in the shards has. A path may lead to it,
        also with backslashes, and its letters may be composed ("ü") or not ("u" and two dots).

    Example
    -------
    >>> utterance_key("id10012/0AXjxNXiEzo/00001.wav"), utterance_key("eval/wav/d045")
    ('id10012/0AXjxNXiEzo/00001', 'd045')
    >>> utterance_key("/data/wav//id10012/0AXjxNXiEzo/00001.WAV"), utterance_key("./d045.wav")
    ('id10012/0AXjxNXiEzo/00001', 'd045')
    """
    if PLAIN.fullmatch(identifier):  # in a fifth of the time
        return identifier
    key = composed(identifier)
    if key[-4:].lower() == ".wav":
        key = key[:-4]
    if key[-5:].lower() == ".flac":
        key = key[:-5]
    if "\\" in key and "/" not in key:
        key = key.replace("\\", "/")
    parts = [part for part in key.split("/") if part not in ("", ".")][-3:]
    return parts[-1] if parts[:-1] in EVAL_FOLDERS else "/".join(parts)


def composed(name: str) -> str:
    """A name in the one form (NFC) of those that look alike: a Mac writes another than the rest."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def folded(name: str) -> str:
    """The one form of names that differ in letter case, or as those for `composed`, only."""
    return composed(composed(name).casefold())


def spelt_twice(names: Iterable[str], form: Callable[[str], str]) -> list[str]:
    """Different names that have one form, as a user tells them apart.

    Example
    -------
    >>> spelt_twice(["Anna", "bob", "anna"], folded)
    ["'Anna' and 'anna'"]
    """
    groups, names = {}, sorted(set(names))
    if form is composed and all(map(str.isascii, names)):  # as most are
        return []
    for name in names:
        groups.setdefault(form(name), []).append(name)
    shown = ascii if form is composed else repr
    return [" and ".join(map(shown, group)) for group in groups.values() if len(group) > 1]


def in_two_cases(speakers: Iterable[str]) -> str:
    """Tell which speakers' names differ in letter case only; "" if none."""
    if not (pairs := spelt_twice(speakers, folded)):
        return ""
    return (
        f"speakers whose names differ in letter case only: {len(pairs)} ({first_of(pairs)}), which "
        "are two speakers each: if they are one, give them one name"
    )


def write_utterance(corpus: str | Path, split: str, utterance_id: str, signal: np.ndarray) -> None:
    """Write one utterance, "speaker/session/utterance", where the layout wants it.

    The signal is mono at 16 kHz with samples in [-1, 1], of shape (time,).
    """
    path = Path(corpus) / split / f"{utterance_id}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, signal, SAMPLE_RATE, subtype="PCM_16")

"""Whether anybody speaks in recordings: of each the loudest moment is heard, of a few all."""

import contextlib
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile as sf

from local.corpora.decoding import AudioFile
from local.corpora.quality import CHUNK, FIRST, Faults, loudest
from local.errors import RecipeError, first_of

BATCH = 256  # recordings that are listened to side by side
AHEAD = 4  # batches in memory at once: those that come while torch is loaded
# Chunks of the loudest part, and how many of them have to be speech. Of 1,050 recordings of speech
# nine in ten need no more than the first; noise, hum, clicks and tunes have none there.
PARTS = ((8, 3), (32, 4))
ENOUGH = 5  # chunks of a whole recording, 0.16 s
WHOLE = 1875 * CHUNK  # samples of a whole recording that are read at a time
NO_SPEECH = "hold no speech"  # the fault of such recordings


def speech_warnings(absent: str, heard: Counter, mute: Counter) -> Iterator[str]:
    """Warnings of speakers without any speech, and that there was no detector, and why.

    There are the recordings of each speaker, and those without speech; "" is nobody.
    """
    if absent:
        yield f"warning: recordings without speech were not looked for: {absent}"
    speakers = sorted(name for name in heard if name)
    mute = [name for name in speakers if mute[name] == heard[name]]
    if mute:
        yield (
            f"warning: {len(mute)} of {len(speakers)} speakers have no recording with "
            f"speech, first {first_of(mute, FIRST)}: leave them out"
        )


class Listener:
    """Finds recordings without speech, in a thread of its own: hum, hiss, clicks, music, silence.

    They are told, not left out: whether a corpus of whispers or bird song is meant, nobody knows.
    Without the package that tells speech from noise, nothing is listened to, and one warning says
    so. A context, at whose end, also after an error, the thread ends.
    """

    def __init__(self):
        self._thread = ThreadPoolExecutor(1)
        self._batch, self._jobs = [], deque()
        self._waiting = [[] for _ in PARTS]  # for others, to be listened to side by side
        self._speakers, self._mute = Counter(), Counter()  # recordings, and those without speech
        self._names = []  # of recordings without speech
        self._detector, self.absent = None, ""  # and why there is none

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._thread.shutdown(cancel_futures=True)

    def add(
        self, name: str | Path | int, speaker: str, second: np.ndarray, path: str | Path | Callable
    ) -> None:
        """Listen to a recording, by its loudest second and, if it has to be, the file at `path`.

        The file is mono at 16 kHz, and stays until it was listened to; a function opens it then. A
        speaker who is not known is "".
        """
        if self.absent:
            return
        self._speakers[speaker] += 1
        self._batch.append((name, speaker, second, path))
        if len(self._batch) == BATCH:
            self._submit()

    def _submit(self, last=False):
        self._jobs.append(self._thread.submit(self._listen, self._batch, last))
        self._batch = []
        while len(self._jobs) > AHEAD:
            self._jobs.popleft().result()

    def tell(self, faults: Faults) -> Iterator[str]:
        """Wait for the last one, note those without speech, and give warnings of speakers."""
        for name in self.wait():
            faults.add(name, NO_SPEECH)
        if self._speakers:
            yield from speech_warnings(self.absent, self._speakers, self._mute)

    def wait(self) -> list:
        """Wait for the last one; the names of those without speech since this was last asked."""
        self._submit(last=True)
        while self._jobs:
            self._jobs.popleft().result()
        names, self._names = self._names, []
        return names

    def _listen(self, batch, last):
        if not batch and not any(self._waiting):
            return
        if self._detector is None and not self.absent:
            self._load()
        if self.absent:
            return
        for waiting, (chunks, needed) in zip(self._waiting, PARTS, strict=True):
            waiting += batch
            if len(waiting) < BATCH and not last:
                return
            parts = [loudest(second, chunks)[0] for _, _, second, _ in waiting]
            counts = self._count(parts, needed) if parts else []
            batch = [item for item, count in zip(waiting, counts, strict=True) if count < needed]
            waiting.clear()
        for name, speaker, _, path in batch:
            # It may be gone since it was read.
            with contextlib.suppress(sf.SoundFileError, OSError, RecipeError):
                if not self._speaks(path() if callable(path) else path):
                    self._mute[speaker] += 1
                    self._names.append(name)

    def _load(self):
        import torch  # takes a second; meanwhile files are decoded

        from local.corpora.speech import SpeechDetector

        torch.set_num_threads(1)  # of this thread: for so little, others cost far more
        try:
            self._detector = SpeechDetector()
        except ImportError as error:
            self.absent = str(error)

    def _speaks(self, path):
        with AudioFile(path) as audio:
            count = 0
            for block in audio.blocks(WHOLE, dtype="float32"):
                count += self._count([block], ENOUGH - count)[0]
                if count >= ENOUGH:
                    return True
        return False

    def _count(self, signals, enough):
        import torch

        tensors = [torch.from_numpy(signal - signal.mean()) for signal in signals]
        return self._detector.count(tensors, enough)

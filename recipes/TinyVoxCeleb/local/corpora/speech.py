"""Where in a recording somebody speaks, and how loud: by Silero VAD, https://github.com/snakers4.

A copy of this file lies in each inference bundle, so it imports nothing of the recipe.
"""

import contextlib
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence

SAMPLE_RATE = 16000
CHUNK = 512  # audio samples about which the detector decides at once
CONTEXT = 64  # audio samples before them that it takes into account
SEGMENT = 1875 * CHUNK  # 1 min: the parts of a long recording are listened to side by side
LOUDNESS = 0.05  # root mean square at which the detector gets a recording, whatever its own is


def find_network() -> Path:
    """The file of the detector's network, in the package silero-vad.

    Raises
    ------
    ImportError
        The package is not installed.
    """
    found = find_spec("silero_vad")
    if found is None:
        raise ImportError(
            "the package silero-vad, which tells speech from noise, is not installed: "
            "pip install silero-vad==6.2.3"
        )
    # Not by its own function: importing the package leaves torch with one thread.
    return Path(found.submodule_search_locations[0], "data/silero_vad.jit")


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch work in one thread: for steps as small as the detector's, others only wait."""
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(count)


class SpeechDetector:
    """Tells speech from silence, noise, hum, clicks and music; see also `find_network`."""

    def __init__(self):
        self.model = torch.jit.load(str(find_network()), map_location="cpu").eval()

    @torch.no_grad()
    @_one_thread()
    def __call__(self, signals: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Decide about each chunk of signals of shape (time,); gives booleans of shape (chunks,).

        The last chunk of a signal may be shorter.
        """
        parts = [part for signal in signals for part in _at_one_loudness(signal).split(SEGMENT)]
        self.model.reset_states()
        chunks = [self.model(chunk, SAMPLE_RATE)[:, 0] for chunk in _side_by_side(parts)]
        rows = iter(torch.stack(chunks, dim=1) > 0.5)
        answers = []
        for signal in signals:
            whole = torch.cat([next(rows) for _ in signal.split(SEGMENT)])
            answers.append(whole[: -(-len(signal) // CHUNK)])
        return answers

    @torch.no_grad()
    @_one_thread()
    def count(self, signals: Sequence[torch.Tensor], enough: int) -> list[int]:
        """How many chunks of signals of up to 1 min are speech; no more than `enough` are counted.

        A signal in which they were found is listened to no further.
        """
        lengths = torch.tensor([-(-len(signal) // CHUNK) for signal in signals])
        counts, rows = torch.zeros_like(lengths), torch.arange(len(signals))
        state, context = torch.zeros(0), torch.zeros(len(signals), CONTEXT)
        for place, chunk in enumerate(_side_by_side(list(map(_at_one_loudness, signals)))):
            heard = torch.cat([context, chunk[rows]], dim=1)
            # Without what remembers the rows of the chunk before, which are to become fewer.
            odds, state = self.model._model(heard, state)
            counts[rows] += (odds[:, 0] > 0.5) & (place < lengths[rows])
            left = counts[rows] < enough
            rows, state, context = rows[left], state[:, left], heard[left, -CONTEXT:]
            if not len(rows):
                break
        return counts.tolist()


def speech_level(signal: torch.Tensor, speech: torch.Tensor) -> float:
    """The level of the chunks of a signal that are speech, in dB relative to full scale.

    The signal is of shape (time,) and without offset, `speech` is from a `SpeechDetector`.

    Example
    -------
    >>> speech_level(torch.tensor([0.1, -0.1, 0.0]).repeat_interleave(512), torch.ones(3).bool())
    -21.8
    """
    heard = signal[speech.repeat_interleave(CHUNK)[: len(signal)]]
    return round(10 * heard.double().square().mean().log10().item(), 1)


def _side_by_side(signals):
    """The chunks of all signals, shape (signals, time)."""
    batch = pad_sequence(signals, batch_first=True)
    return pad(batch, (0, -batch.shape[1] % CHUNK)).split(CHUNK, dim=1)


def _at_one_loudness(signal):
    signal = signal.cpu()
    rms = signal.square().mean().sqrt()
    return (signal * (LOUDNESS / rms)).clamp(-1, 1) if rms > 0 else signal

"""Who is speaking now: a stream of samples, heard second by second."""

import queue
import wave
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import torch

from local.errors import RecipeError
from local.layout import SAMPLE_RATE

WINDOW = 3  # seconds that are heard for an answer: the last ones
MIN_SPEECH = 0.25  # seconds of the last second: less is taken for silence
SILENT = 2 / 32768  # swing of a second that need not be listened to: a microphone that is off
CONVERT = "ffmpeg -i … -f s16le -ar 16000 -ac 1 - | python speakers.py listen …"


def read_seconds(stream: BinaryIO) -> Iterator[np.ndarray]:
    """Seconds of a stream of raw 16-bit samples at 16 kHz, mono, or of a WAV file of these.

    Gives float32 of shape (time,); the last one may be shorter.

    Raises
    ------
    RecipeError
        A WAV file of another kind.
    """
    read = stream.read
    if stream.peek(4)[:4] == b"RIFF":
        try:
            file = wave.open(stream)  # noqa: SIM115 - it is the caller's
        except (wave.Error, EOFError) as error:
            raise RecipeError(f"stdin: not a WAV stream that can be read ({error})") from None
        kind = file.getframerate(), file.getnchannels(), 8 * file.getsampwidth()
        if kind != (SAMPLE_RATE, 1, 16):
            raise RecipeError(
                f"stdin: WAV of {kind[0]} Hz, {kind[1]} channels, {kind[2]} bits: expected "
                f"{SAMPLE_RATE} Hz, 1 channel, 16 bits; e.g. {CONVERT}"
            )

        def read(size):
            return file.readframes(size // 2)

    while content := read(2 * SAMPLE_RATE):
        samples = np.frombuffer(content[: len(content) // 2 * 2], "<i2")
        yield samples.astype(np.float32) / 32768


def microphone_seconds() -> Iterator[np.ndarray]:
    """The same from a microphone.

    Raises
    ------
    RecipeError
        The package sounddevice is not installed, or finds no microphone.
    """
    try:
        import sounddevice
    except (ImportError, OSError) as error:  # the latter without the library PortAudio
        raise RecipeError(
            f"the package sounddevice cannot be used ({error}): pip install sounddevice, or pipe "
            "samples in: arecord -f S16_LE -r 16000 -c 1 | python speakers.py listen …"
        ) from None
    heard = queue.Queue(maxsize=60)  # a minute, should the network be slower than the speech
    try:
        with sounddevice.InputStream(
            SAMPLE_RATE,
            blocksize=SAMPLE_RATE,
            channels=1,
            dtype="float32",
            callback=lambda block, *_: heard.put(block[:, 0].copy()),
        ):
            while True:
                yield heard.get()
    except sounddevice.PortAudioError as error:
        raise RecipeError(f"microphone: {error}; see python -m sounddevice") from None


def recent_speech(encoder, seconds: Iterator[np.ndarray]) -> Iterator[tuple[int, float, object]]:
    """After each second: its number, its seconds of speech, and what the last WINDOW of them hold.

    The last is the signal at the network's level, a tensor of shape (time,), or None where nobody
    speaks. Memory does not grow with the stream.
    """
    recent, chunk = np.zeros(0, np.float32), encoder.speech.CHUNK
    for number, second in enumerate(seconds, start=1):
        second = np.nan_to_num(second, posinf=0.0, neginf=0.0)
        if not len(second) or np.ptp(second) < SILENT:
            recent = recent[:0]
            yield number, 0.0, None
            continue
        recent = np.concatenate([recent, second])[-WINDOW * SAMPLE_RATE :]
        signal = torch.from_numpy(recent - recent.mean())
        answer = encoder.detector([signal])[0]
        speech = int(answer[-(-(len(recent) - len(second)) // chunk) :].sum()) * chunk / SAMPLE_RATE
        if speech < MIN_SPEECH:
            yield number, speech, None
            recent = recent[:0]  # who speaks next may be somebody else
            continue
        yield number, speech, encoder.levelled(signal, encoder.speech.speech_level(signal, answer))

"""Speech as Opus in a WebM file, of a size that is known before, and equal for equal samples."""

import io
import math

import av
import numpy as np

from local.layout import SAMPLE_RATE

FRAME = 0.06  # s: the longest that Opus has, as each costs some bytes more
CONTAINER, A_FRAME = 490, 7  # bytes that WebM adds to a clip, and to each of its frames
PADDING = 0.008  # s that the coder puts before a clip


def encode(signal: np.ndarray, bits_per_second: int) -> bytes:
    """Encode speech, 16-bit samples of shape (time,), as WebM, which phones play too [1].

    The rate is constant, so that `num_bytes` holds, and nothing in the file tells of the time or
    is drawn at random.

    References
    ----------
    [1] J.-M. Valin, K. Vos and T. Terriberry, "Definition of the Opus audio codec", RFC 6716, 2012.

    Example
    -------
    >>> clip = encode(np.zeros(16000, dtype=np.int16), 12000)
    >>> clip[:4] == bytes.fromhex("1a45dfa3"), 1500 < len(clip) <= num_bytes(1, 12000)
    (True, True)
    """
    file = io.BytesIO()
    with av.open(file, "w", format="webm", container_options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(
            "libopus",
            rate=SAMPLE_RATE,
            layout="mono",
            options={
                "b": str(bits_per_second),
                "vbr": "off",
                "application": "voip",
                "frame_duration": str(round(1000 * FRAME)),
                "compression_level": "1",  # a fifth of the time of the best: maps have many points
                "flags": "+bitexact",
            },
        )
        frame = av.AudioFrame.from_ndarray(signal[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE, 0
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return file.getvalue()


def num_bytes(seconds: float, bits_per_second: int) -> int:
    """How many bytes a clip of up to 10 s has at most."""
    frames = math.ceil((seconds + PADDING) / FRAME)
    return CONTAINER + frames * (math.ceil(bits_per_second * FRAME / 8) + A_FRAME)


def num_seconds(size: float, bits_per_second: int) -> float:
    """How long a clip of so many bytes can be; below 0 where they hold none."""
    frames = (size - CONTAINER) // (math.ceil(bits_per_second * FRAME / 8) + A_FRAME)
    return frames * FRAME - PADDING

"""Audio files whose header does not tell how many samples there are, as that of FLAC from a pipe.

libsndfile says 0 of them or 2^63 - 1, and soundfile finds no end of them. A copy of this file lies
in each inference bundle, so it imports nothing of the recipe.
"""

from pathlib import Path

import soundfile as sf

MAX_FRAMES = 1 << 36  # beyond what a FLAC header can tell, and 49 days at 16 kHz
BLOCK = 1 << 18  # audio samples
HEADERLESS = "no header tells its sampling rate and kind, as in raw samples"


class _Headerless(sf.SoundFileError):
    """Samples without a header, whose rate and kind nobody tells."""


class AudioFile(sf.SoundFile):
    """An audio file that is open for reading, to its end also where its header tells none.

    Then it is read on, and `seek` goes ahead by decoding.
    """

    def __init__(self, file, *args, **options):
        try:
            super().__init__(file, *args, **options)
        except TypeError as error:  # a file that soundfile takes for .raw by its name
            raise _Headerless(f"Error opening {str(file)!r}: {HEADERLESS} ({error}).") from None

    @property
    def counted(self) -> bool:
        """Whether the header tells how many samples there are."""
        return 0 < self.frames < MAX_FRAMES

    def seekable(self):
        return self.counted and super().seekable()

    def seek(self, frames, whence=sf.SEEK_SET):
        if self.counted:
            return super().seek(frames, whence)
        while frames:
            skipped = len(self.read(min(frames, BLOCK), dtype="int16", always_2d=True))
            if not skipped:
                break
            frames -= skipped
        return None

    def blocks(self, blocksize, **options):
        if self.counted:
            yield from super().blocks(blocksize, **options)
        else:
            while len(block := self.read(blocksize, **options)):
                yield block


def read_info(path: str | Path):
    """What `soundfile.info` tells, with the samples counted where the header does not tell them.

    Raises
    ------
    soundfile.SoundFileError
        The file is no audio, or, where it has to be decoded, damaged.
    """
    try:
        info = sf.info(path)
    except TypeError as error:
        raise _Headerless(f"Error opening {str(path)!r}: {HEADERLESS} ({error}).") from None
    if not 0 < info.frames < MAX_FRAMES:
        info.frames = count_frames(path)
        info.duration = info.frames / info.samplerate
    return info


def count_frames(path) -> int:
    """How many samples a file holds by its header, or else by decoding it."""
    with AudioFile(path) as audio:
        if audio.counted:
            return audio.frames
        total = 0
        while count := len(audio.read(BLOCK, dtype="int16", always_2d=True)):
            total += count
        return total


def with_count(encoded: bytes | memoryview, frames: int) -> bytes | memoryview:
    """A file in memory; if it is FLAC without a count of samples, its header gets this one.

    The count is the last 36 bits of these 8 bytes of the header, see RFC 9639, section 8.2.
    """
    header = bytes(encoded[:26])
    told = int.from_bytes(header[18:26], "big")
    if not header.startswith(b"fLaC") or len(header) < 26 or told % MAX_FRAMES:
        return encoded
    return header[:18] + (told + frames).to_bytes(8, "big") + bytes(encoded[26:])

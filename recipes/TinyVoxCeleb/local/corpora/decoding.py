"""Audio files of all kinds: what libsndfile reads, else what FFmpeg reads, by its package PyAV.

Some headers do not tell how many samples there are, as that of FLAC from a pipe: libsndfile says 0
of them or 2^63 - 1, and soundfile finds no end of them. A copy of this file lies in each inference
bundle, so it imports nothing of the recipe.
"""

import itertools
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import soundfile as sf

MAX_FRAMES = 1 << 36  # beyond what a FLAC header can tell, and 49 days at 16 kHz
BLOCK = 1 << 18  # audio samples
HEADERLESS = "no header tells its sampling rate and kind, as in raw samples"
# What FFmpeg reads and libsndfile does not: where a file has these bytes, and FFmpeg's name of it.
# It is named to FFmpeg, which else would open what a playlist tells it to.
FFMPEG_KINDS = (
    *((4, name, "mov") for name in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")),
    (0, b"\x1aE\xdf\xa3", "matroska"),  # and WebM, of browsers
    (0, b"#!AMR", "amr"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "asf"),  # .wma
    (0, b"OggS", "ogg"),  # Speex
    (0, b"caff", "caf"),  # AAC
    (0, b"FLV", "flv"),
    *((0, name, "aac") for name in (b"\xff\xf1", b"\xff\xf9")),
    (8, b"AVI ", "avi"),
)
PADDING = 0.3  # s, by which a container's duration may exceed that of its audio


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

    @property
    def least(self) -> int:
        """How many samples have to be there, by the header; 0 where it does not tell."""
        return self.frames if self.counted else 0

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


class _Undecodable(sf.SoundFileError):
    """FFmpeg cannot read the file, or is not there to read it."""


class FfmpegFile:
    """The audio of a file that FFmpeg reads, video or not, with what `AudioFile` has to read it.

    `kind` is what FFmpeg calls it, of `FFMPEG_KINDS`.

    Raises
    ------
    soundfile.SoundFileError
        The package av is not installed; the file cannot be read, or holds no audio.
    """

    counted, subtype = False, "compressed"

    def __init__(self, path: str | Path, kind: str):
        try:
            import av  # here, as few files need it
        except ImportError:
            reason = f"it is {kind}, which the package av reads, not installed: pip install av"
            raise _Undecodable(f"Error opening {str(path)!r}: {reason}.") from None
        self._path, self._errors = path, av.error.FFmpegError
        try:
            self._container = av.open(str(path), format=kind, metadata_errors="ignore")
        except self._errors as error:
            raise self._undecodable(error) from None
        try:
            stream = self._container.streams.best("audio")
            if stream is None:
                raise self._undecodable("it holds no audio")
            first = next(self._frames(stream), None)
            if first is None:
                raise self._undecodable("it holds no audio")
            # A header tells half of the rate of some AAC.
            self.format, self.samplerate = stream.codec_context.name, first.sample_rate
            self.channels = first.layout.nb_channels
            resampler = av.AudioResampler(format="flt", layout=first.layout, rate=self.samplerate)
            self._packed = self._pack(itertools.chain([first], self._frames(stream)), resampler)
            self._left = np.zeros((0, self.channels), np.float32)
            told = stream.duration and stream.duration * stream.time_base
            told = told or (self._container.duration or 0) / av.time_base
            self.frames = round(float(told) * self.samplerate) * (kind != "aac")  # a guess there
        except BaseException:
            self._container.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._container.close()

    @property
    def least(self) -> int:
        """How many samples have to be there, about, as far as the file tells."""
        return max(self.frames - round(PADDING * self.samplerate), 0)

    def read(self, frames: int, dtype: str = "float32", always_2d: bool = True) -> np.ndarray:
        """The next samples, float32, shape (frames, channels); fewer only at the end."""
        parts, missing = [self._left], frames - len(self._left)
        while missing > 0 and (block := next(self._packed, None)) is not None:
            parts.append(block)
            missing -= len(block)
        signal = np.concatenate(parts)
        self._left = signal[frames:]
        return signal[:frames]

    def blocks(self, blocksize: int, **options):
        """All that follows, in blocks of so many samples; see `read`."""
        while len(block := self.read(blocksize)):
            yield block

    def _frames(self, stream):
        try:
            yield from self._container.decode(stream)
        except self._errors as error:
            raise self._undecodable(error) from None

    def _pack(self, frames, resampler):
        for frame in itertools.chain(frames, [None]):
            for packed in resampler.resample(frame):
                yield packed.to_ndarray().reshape(-1, self.channels)

    def _undecodable(self, error):
        reason = getattr(error, "strerror", None) or error
        return _Undecodable(f"Error opening {str(self._path)!r}: {reason}.")


def open_audio(path: str | Path) -> AudioFile | FfmpegFile:
    """Open an audio file of any kind, or video, for reading.

    Raises
    ------
    soundfile.SoundFileError
        It is none, or damaged.
    """
    try:
        return AudioFile(path)
    except sf.SoundFileError:
        kind = ffmpeg_kind(path)
        if kind is None:
            raise
    return FfmpegFile(path, kind)


def ffmpeg_kind(path: str | Path) -> str | None:
    """What FFmpeg calls a file, if its first bytes tell that libsndfile does not read it."""
    try:
        with open(path, "rb") as fin:
            head = fin.read(16)
    except OSError:
        return None
    kinds = (kind for place, name, kind in FFMPEG_KINDS if head[place:].startswith(name))
    return next(kinds, None)


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
    except sf.SoundFileError:
        if ffmpeg_kind(path) is None:
            raise
        with open_audio(path) as audio:
            names = ("samplerate", "channels", "format", "subtype")
            info = SimpleNamespace(**{name: getattr(audio, name) for name in names})
            info.frames = audio.frames or sum(map(len, audio.blocks(BLOCK)))
        info.duration = info.frames / info.samplerate
        return info
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

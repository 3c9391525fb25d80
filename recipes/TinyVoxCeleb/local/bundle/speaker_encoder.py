"""Embeddings of recordings of any length and sampling rate, or an error that says what is wrong.

A copy of this file lies in each inference bundle. To use it there, with SpeechBrain alone:

    from speechbrain.inference.interfaces import foreign_class

    encoder = foreign_class(
        source=FOLDER, pymodule_file="speaker_encoder.py", classname="SpeakerEncoder"
    )
    embedded = encoder.embed("one.wav", "other.m4a")
    embedded.vectors, embedded.speech
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile as sf
import torch
from speechbrain.inference.classifiers import EncoderClassifier
from speechbrain.utils.data_utils import split_path
from speechbrain.utils.fetching import fetch
from speechbrain.utils.superpowers import import_from_path

HERE = Path(__file__).resolve().parent
SAMPLE_RATE = 16000
MAX_PEAK = 10.0  # full scale is 1; what is above is damaged, or on another scale
MIN_SPEECH = 0.5  # s


def import_beside(name: str):
    """Import a module by its path: one of the same name elsewhere is never taken for it."""
    return import_from_path(HERE / f"{name}.py")


if (HERE / "checksums.py").is_file() and (damaged := import_beside("checksums").find_damaged(HERE)):
    raise ValueError(f"{HERE / damaged}: damaged; copy the network again")


class Embedded(NamedTuple):
    """The embeddings of recordings, and what the recordings are like."""

    vectors: np.ndarray  # (recordings, dim), float32
    num_frames: np.ndarray  # (recordings,), at 16 kHz
    speech: np.ndarray  # (recordings,), seconds of speech
    level: np.ndarray  # (recordings,), of the speech, in dB relative to full scale
    snr: np.ndarray  # (recordings,), dB between the speech and the rest; NaN where there is none


class SpeakerEncoder(EncoderClassifier):
    """SpeechBrain's `EncoderClassifier`, guarded: what is no recording of speech is a ValueError.

    A network may hear offset and level: the offset is removed, and the speech is brought to the
    level of that of the training data (`speech_level` of hyperparams.yaml). Long recordings are
    embedded in windows, as the recipe does it. A damaged network is a ValueError when this file
    is imported, before SpeechBrain loads it.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.windows, self.polyphase = import_beside("windows"), import_beside("polyphase")
        self.speech, self.decoding = import_beside("speech"), import_beside("decoding")
        self.truncation, self.surplus = import_beside("truncation"), import_beside("surplus")
        self.detector = self.speech.SpeechDetector()

    def embed(
        self, *recordings, sample_rate=SAMPLE_RATE, min_speech=MIN_SPEECH, **kwargs
    ) -> Embedded:
        """Embed recordings of any length, sampling rate and number of channels.

        Arguments
        ---------
        *recordings : str, Path, numpy.ndarray or torch.Tensor
            Paths, web addresses, or samples of shape (time,) or (time, channels).
        sample_rate : int
            Of the recordings that are samples, in Hz.
        min_speech : float
            Seconds of speech that each has to hold.
        **kwargs
            For `load_audio`.

        Raises
        ------
        FileNotFoundError, ValueError
            One that is not there, cannot be decoded, cannot be embedded, or lacks speech.
        """
        names, signals = [], []
        for number, recording in enumerate(recordings):
            if isinstance(recording, np.ndarray | torch.Tensor):
                names.append(f"recordings[{number}]")
                signals.append(self.polyphase.to_16khz(torch.as_tensor(recording), sample_rate))
            else:
                names.append(recording)
                signals.append(self.load_audio(recording, **kwargs))
        return self.embed_signals(signals, names, min_speech)

    def embed_files(self, *paths, **kwargs) -> torch.Tensor:
        """The vectors that `embed` gives for files, shape (files, dim), float32, on the CPU."""
        return torch.from_numpy(self.embed(*paths, **kwargs).vectors)

    def load_audio(self, path, savedir=None) -> torch.Tensor:
        """Read a file at 16 kHz, shape (time,).

        It is the mean of its channels or, where they cancel, the louder of them. The path may
        be a web address, from which it is fetched into the folder `savedir`.
        """
        return torch.from_numpy(np.concatenate(list(self.read_blocks(path, savedir))))

    def read_blocks(self, path, savedir=None) -> Iterator[np.ndarray]:
        """What `load_audio` reads, in blocks of some seconds, shape (time,), float32."""
        path = str(path).removeprefix("file://")
        if "://" in path:
            source, name = split_path(path)
            try:
                path = str(fetch(name, source=source, savedir=savedir))
            except (OSError, ValueError) as error:
                raise ValueError(f"{path}: cannot be fetched ({error!a:.200})") from error
        if Path(path).is_dir():
            raise FileNotFoundError(f"{path}: a folder, where a recording is expected")
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path}: no such recording")
        if not Path(path).stat().st_size:
            raise ValueError(f"{path}: empty; export it again")
        if fault := self.truncation.fault_of(path) or self.surplus.surplus_of(path):
            raise ValueError(f"{path}: {fault}; copy or export it again")
        try:
            with self.decoding.open_audio(path) as audio:
                seconds = audio.blocks(audio.samplerate, dtype="float32", always_2d=True)
                channel = self.polyphase.louder_channel(seconds) if audio.channels > 1 else None
            with self.decoding.open_audio(path) as audio:
                found, told = [], audio.least

                def read(frames):
                    block = audio.read(frames, dtype="float32", always_2d=True)
                    found.append(len(block))
                    return self.polyphase.mono(block, channel)

                yield from self.polyphase.resampled(read, audio.samplerate, SAMPLE_RATE)
        except (sf.SoundFileError, ValueError) as error:
            raise ValueError(f"{path}: cannot be decoded ({error}); export it again") from error
        if sum(found) < told:
            raise ValueError(
                f"{path}: truncated: {sum(found):,} of {told:,} samples are there; copy or export "
                "it again"
            )

    def embed_signals(self, signals, names, min_speech=MIN_SPEECH) -> Embedded:
        """The same for signals at 16 kHz, tensors of shape (time,); `names` are for errors.

        Those of equal lengths go together, nothing is padded.
        """
        if not 0 <= min_speech < np.inf:  # NaN, too, would let everything pass
            raise ValueError(f"min_speech is {min_speech}: expected seconds, 0 or more")
        signals = [checked(*pair) for pair in zip(signals, names, strict=True)]
        answers = zip(signals, self.detector(signals), names, strict=True)
        heard = [self._heard(*answer, min_speech) for answer in answers]
        signals = [
            self.levelled(*pair) for pair in zip(signals, [h[1] for h in heard], strict=True)
        ]
        frames = torch.tensor([len(signal) for signal in signals])
        vectors = [None] * len(signals)
        for length in frames.unique().tolist():
            rows = torch.nonzero(frames == length).flatten().tolist()
            batch = torch.stack([signals[row] for row in rows])
            shortest = self.windows.MIN_FRAMES
            batch = batch.repeat(1, -(-shortest // length))[:, : max(shortest, length)]
            starts, size = self.windows.windows(batch.shape[1])
            parts = [self.embed_windows(batch[:, start : start + size]) for start in starts]
            for row, vector in zip(rows, torch.stack(parts).mean(dim=0), strict=True):
                if not torch.isfinite(vector).all():
                    raise ValueError(f"{names[row]}: the network gives values that are not finite")
                vectors[row] = vector
        speech, level, snr = np.array(heard).T
        return Embedded(torch.stack(vectors).numpy(), frames.numpy(), speech, level, snr)

    def embed_windows(self, windows) -> torch.Tensor:
        """Embed signals of one length, levelled, shape (windows, time), unguarded: (windows, dim).

        The answer is float32, on the CPU.
        """
        # SpeechBrain's statistics pooling adds a little noise: the same in each call.
        with torch.random.fork_rng([self.device] if "cuda" in str(self.device) else []):
            torch.manual_seed(0)
            return self.encode_batch(windows.to(self.device)).squeeze(1).float().cpu()

    def levelled(self, signal, level):
        """A signal whose speech has this level, in dB, at the level of the training data."""
        wanted = getattr(self.hparams, "speech_level", None)
        if wanted is None:  # bundles of earlier versions do not tell
            return signal
        return signal * 10 ** ((wanted - level) / 20)

    def _heard(self, signal, speech, name, min_speech):
        """Seconds of speech, its level and how far it is above the rest; an error if too little."""
        seconds = speech.sum().item() * self.speech.CHUNK / SAMPLE_RATE
        if not seconds or seconds < min_speech:
            unit = 10 if seconds >= 0.1 else 100
            heard = f"{np.floor(seconds * unit) / unit} s of" if seconds else "no"  # never as asked
            wanted = f", expected {min_speech} s at least (min_speech)" if min_speech else ""
            raise ValueError(
                f"{name}: {heard} speech in {len(signal) / SAMPLE_RATE:.1f} s of audio{wanted}; "
                "give another recording"
            )
        level = self.speech.speech_level(signal, speech)
        rest = self.speech.speech_level(signal, ~speech) if not speech.all() else np.nan
        return seconds, level, level - rest


def checked(signal, name):
    """A signal without its offset; an error if it is no audio."""
    signal = signal.float().cpu()
    if not len(signal) or not torch.isfinite(signal).all():
        raise ValueError(f"{name}: empty, or holds values that are not finite")
    if (peak := signal.abs().max().item()) > MAX_PEAK:
        raise ValueError(
            f"{name}: a sample of {peak:.3g}, expected -1 to 1: damaged, or on another scale; "
            "export it again"
        )
    return signal - signal.mean()

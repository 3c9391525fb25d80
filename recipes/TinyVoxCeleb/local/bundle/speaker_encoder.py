"""Embeddings of recordings of any length and sampling rate, or an error that says what is wrong.

A copy of this file lies in each inference bundle. To use it there, with SpeechBrain alone:

    from speechbrain.inference.interfaces import foreign_class

    encoder = foreign_class(
        source=FOLDER, pymodule_file="speaker_encoder.py", classname="SpeakerEncoder"
    )
    vectors = encoder.embed_files("one.wav", "other.wav")
"""

from pathlib import Path

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
        self.truncation = import_beside("truncation")
        self.detector = self.speech.SpeechDetector()

    def embed_files(self, *paths, min_speech=MIN_SPEECH, **kwargs) -> torch.Tensor:
        """Embed files.

        Arguments
        ---------
        *paths : str or Path
        min_speech : float
            Seconds of speech that each has to hold.
        **kwargs
            For `load_audio`.

        Returns
        -------
        torch.Tensor
            Of shape (files, dim), float32, on the CPU.

        Raises
        ------
        FileNotFoundError, ValueError
            A file that is not there, cannot be decoded, cannot be embedded, or lacks speech.
        """
        signals = [self.load_audio(path, **kwargs) for path in paths]
        return torch.from_numpy(self._embed(signals, paths, min_speech)[0])

    def load_audio(self, path, savedir=None) -> torch.Tensor:
        """Read a file at 16 kHz, shape (time,), block by block.

        It is the mean of its channels or, where they cancel, the louder of them. The path may
        be a web address, from which it is fetched into the folder `savedir`.
        """
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
        if fault := self.truncation.fault_of(path):
            raise ValueError(f"{path}: {fault}; copy or export it again")
        try:
            with self.decoding.AudioFile(path) as audio:
                seconds = audio.blocks(audio.samplerate, dtype="float32", always_2d=True)
                channel = self.polyphase.louder_channel(seconds) if audio.channels > 1 else None
            with self.decoding.AudioFile(path) as audio:
                found, told = [], audio.frames if audio.counted else None

                def read(frames):
                    block = audio.read(frames, dtype="float32", always_2d=True)
                    found.append(len(block))
                    return self.polyphase.mono(block, channel)

                blocks = list(self.polyphase.resampled(read, audio.samplerate, SAMPLE_RATE))
        except (sf.SoundFileError, ValueError) as error:
            raise ValueError(f"{path}: cannot be decoded ({error}); export it again") from error
        if told not in (None, sum(found)):
            raise ValueError(
                f"{path}: truncated: {sum(found):,} of {told:,} samples are there; copy or export "
                "it again"
            )
        return torch.from_numpy(np.concatenate(blocks)).to(self.device)

    def _embed(self, signals, names, min_speech):
        """Embeddings (recordings, dim) of signals of shape (time,), and their lengths.

        Those of equal lengths go together, nothing is padded. `names` are for errors.
        """
        if not 0 <= min_speech < np.inf:  # NaN, too, would let everything pass
            raise ValueError(f"min_speech is {min_speech}: expected seconds, 0 or more")
        signals = [_checked(*pair) for pair in zip(signals, names, strict=True)]
        answers = zip(signals, self.detector(signals), names, strict=True)
        signals = [self._levelled(*answer, min_speech) for answer in answers]
        frames = torch.tensor([len(signal) for signal in signals])
        vectors = [None] * len(signals)
        for length in frames.unique().tolist():
            rows = torch.nonzero(frames == length).flatten().tolist()
            batch = torch.stack([signals[row] for row in rows])
            shortest = self.windows.MIN_FRAMES
            batch = batch.repeat(1, -(-shortest // length))[:, : max(shortest, length)]
            starts, size = self.windows.windows(batch.shape[1])
            parts = [self._encode(batch[:, start : start + size]) for start in starts]
            for row, vector in zip(rows, torch.stack(parts).mean(dim=0), strict=True):
                if not torch.isfinite(vector).all():
                    raise ValueError(f"{names[row]}: the network gives values that are not finite")
                vectors[row] = vector
        return torch.stack(vectors).numpy(), frames.numpy()

    def _levelled(self, signal, speech, name, min_speech):
        """The signal at the level of the training data; an error where nobody speaks in it."""
        seconds = speech.sum().item() * self.speech.CHUNK / SAMPLE_RATE
        if not seconds or seconds < min_speech:
            unit = 10 if seconds >= 0.1 else 100
            heard = f"{np.floor(seconds * unit) / unit} s of" if seconds else "no"  # never as asked
            wanted = f", expected {min_speech} s at least (min_speech)" if min_speech else ""
            raise ValueError(
                f"{name}: {heard} speech in {len(signal) / SAMPLE_RATE:.1f} s of audio{wanted}; "
                "give another recording"
            )
        wanted = getattr(self.hparams, "speech_level", None)
        if wanted is None:  # bundles of earlier versions do not tell
            return signal
        return signal * 10 ** ((wanted - self.speech.speech_level(signal, speech)) / 20)

    def _encode(self, signals):
        # SpeechBrain's statistics pooling adds a little noise: the same in each call.
        with torch.random.fork_rng([self.device] if "cuda" in str(self.device) else []):
            torch.manual_seed(0)
            return self.encode_batch(signals).squeeze(1).float().cpu()


def _checked(signal, name):
    """A signal without its offset; an error if it is no audio."""
    signal = signal.float()
    if not len(signal) or not torch.isfinite(signal).all():
        raise ValueError(f"{name}: empty, or holds values that are not finite")
    if (peak := signal.abs().max().item()) > MAX_PEAK:
        raise ValueError(
            f"{name}: a sample of {peak:.3g}, expected -1 to 1: damaged, or on another scale; "
            "export it again"
        )
    return signal - signal.mean()

"""Verify that two recordings are of one speaker: score, probability and decision.

A copy of this file lies in each inference bundle. To use it there, with SpeechBrain alone:

    from speechbrain.inference.interfaces import foreign_class

    verifier = foreign_class(
        source=FOLDER, pymodule_file="speaker_verifier.py", classname="SpeakerVerifier"
    )
    score, probability, same = verifier.verify_files("one.wav", "other.wav")

The files beside it tell how to score and where to decide; `decision.json` can be read.
"""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import torch
from speechbrain.inference.classifiers import EncoderClassifier
from speechbrain.utils.superpowers import import_from_path

HERE = Path(__file__).resolve().parent


def import_beside(name: str):
    """Import a module by its path: one of the same name elsewhere is never taken for it."""
    return import_from_path(HERE / f"{name}.py")


class SpeakerVerifier(EncoderClassifier):
    """What SpeechBrain's `SpeakerRecognition` does, with scoring and threshold of the bundle.

    It has the methods of that class, but never its threshold.

    Raises
    ------
    FileNotFoundError
        If no threshold has been fitted yet; a recording that is not there.
    ValueError
        If the backend is not the one that was written.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.decisions, self.windows = import_beside("decisions"), import_beside("windows")
        # Bundles of earlier versions name none, and SpeechBrain's takes gigabytes for some rates.
        self.audio_normalizer = import_beside("polyphase").to_16khz
        self.backend, self.calibration, self.threshold = read_decision(HERE)

    def verify_batch(self, wavs1, wavs2, wav1_lens=None, wav2_lens=None, threshold=None):
        """Verify pairs of waveforms.

        Arguments
        ---------
        wavs1, wavs2 : torch.Tensor
            Waveforms at the network's sampling rate, shape (batch, time) or (time,); a batch of one
            is compared with each of the other side.
        wav1_lens, wav2_lens : torch.Tensor, optional
            Lengths relative to `time`, shape (batch,).
        threshold : float, optional
            On the score, instead of the one of the bundle.

        Returns
        -------
        score : torch.Tensor
            Log-likelihood ratios: above 0 the recordings speak for one speaker. Shape (batch,).
        probability : torch.Tensor
            Of one speaker, where that is as likely as not before listening. Shape (batch,).
        prediction : torch.Tensor
            True for one speaker, shape (batch,).
        """
        sides = [self._embed(wavs1, wav1_lens), self._embed(wavs2, wav2_lens)]
        vectors, num_frames = (np.concatenate(part) for part in zip(*sides, strict=True))
        first = np.arange(len(sides[0][0]))
        second = len(first) + np.arange(len(sides[1][0]))
        enrol, test = np.broadcast_arrays(first, second)
        scores = self.backend.score(vectors, enrol, test)
        quality = None
        if self.calibration.low:
            quality = self.decisions.quality_measures(vectors, num_frames, enrol, test)
        llrs = self.calibration(scores, quality)
        accepted = llrs >= (self.threshold if threshold is None else threshold)
        probabilities = self.decisions.to_probability(llrs)
        answer = (llrs.astype(np.float32), probabilities.astype(np.float32), accepted)
        return tuple(torch.from_numpy(part).to(self.device) for part in answer)

    def verify_files(self, path_x, path_y, **kwargs):
        """Verify two files, of any sampling rate and number of channels.

        What is given beyond their paths is for `load_audio`. The answer is that of `verify_batch`,
        in tensors of shape ().
        """
        for path in (path_x, path_y):
            if "://" not in str(path) and not Path(path).is_file():
                raise FileNotFoundError(f"{path}: no such recording")
        signals = [self.load_audio(str(path), **kwargs) for path in (path_x, path_y)]
        for path, signal in zip((path_x, path_y), signals, strict=True):
            if not len(signal) or not torch.isfinite(signal).all():
                raise ValueError(f"{path}: empty, or holds values that are not finite")
        return tuple(part[0] for part in self.verify_batch(*signals))

    def _embed(self, wavs, wav_lens):
        """Embeddings (batch, dim) and lengths; equal lengths go together, nothing is padded."""
        wavs = torch.atleast_2d(wavs)
        if not wavs.shape[1] or not torch.isfinite(wavs).all():
            raise ValueError("a recording is empty, or holds values that are not finite")
        lengths = torch.ones(len(wavs)) if wav_lens is None else wav_lens.cpu()
        frames = (lengths * wavs.shape[1]).round().long().clamp(min=1)
        vectors = [None] * len(wavs)
        for length in frames.unique().tolist():
            rows = torch.nonzero(frames == length).flatten().tolist()
            signals = wavs[rows, :length]
            shortest = self.windows.MIN_FRAMES
            signals = signals.repeat(1, -(-shortest // length))[:, : max(shortest, length)]
            starts, size = self.windows.windows(signals.shape[1])
            parts = [self._encode(signals[:, start : start + size]) for start in starts]
            for row, vector in zip(rows, torch.stack(parts).mean(dim=0), strict=True):
                vectors[row] = vector
        return torch.stack(vectors).numpy(), frames.numpy()

    def _encode(self, signals):
        # SpeechBrain's statistics pooling adds a little noise: the same in each call.
        with torch.random.fork_rng([self.device] if "cuda" in str(self.device) else []):
            torch.manual_seed(0)
            return self.encode_batch(signals).squeeze(1).float().cpu()


def read_decision(folder: Path):
    """Read the backend, the calibration and the threshold of an inference bundle.

    Raises
    ------
    FileNotFoundError, ValueError
        See `SpeakerVerifier`.
    """
    path = Path(folder) / "decision.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such file: this network has no threshold yet; fit one: python "
            "speaker_verification.py hparams/verification.yaml --calibration_trials dev_trials.txt "
            "…, with --checkpoint the folder of this run"
        )
    decision = json.loads(path.read_text(encoding="utf-8"))
    backend = path.with_name(decision["backend"])
    content = backend.read_bytes()
    if hashlib.sha256(content).hexdigest() not in backend.name:
        raise ValueError(f"{backend}: damaged: its content is not what its name tells; fit anew")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return (
            import_beside("backends").Backend.from_arrays(arrays),
            import_beside("decisions").Calibration(**decision["calibration"]),
            decision["threshold"],
        )

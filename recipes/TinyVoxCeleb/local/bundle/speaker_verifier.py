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
from speechbrain.utils.superpowers import import_from_path

HERE = Path(__file__).resolve().parent
encoding = import_from_path(HERE / "speaker_encoder.py")
import_beside = encoding.import_beside


class SpeakerVerifier(encoding.SpeakerEncoder):
    """What SpeechBrain's `SpeakerRecognition` does, with scoring and threshold of the bundle.

    It has the methods of that class, but never its threshold.

    Raises
    ------
    FileNotFoundError
        If no threshold has been fitted yet; a recording that is not there.
    ValueError
        If the backend is not the one that was written; a recording that cannot be embedded.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.decisions = import_beside("decisions")
        self.backend, self.calibration, self.threshold = read_decision(HERE)

    def verify_batch(
        self,
        wavs1,
        wavs2,
        wav1_lens=None,
        wav2_lens=None,
        threshold=None,
        min_speech=encoding.MIN_SPEECH,
    ):
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
        min_speech : float
            Seconds of speech that each recording has to hold.

        Returns
        -------
        score : torch.Tensor
            Log-likelihood ratios: above 0 the recordings speak for one speaker. Shape (batch,).
        probability : torch.Tensor
            Of one speaker, where that is as likely as not before listening. Shape (batch,).
        prediction : torch.Tensor
            True for one speaker, shape (batch,).
        """
        sides = cut_batch(wavs1, wav1_lens), cut_batch(wavs2, wav2_lens)
        counts = len(sides[0]), len(sides[1])
        if 1 not in counts and counts[0] != counts[1]:
            raise ValueError(f"found {counts[0]} and {counts[1]} waveforms: expected as many, or 1")
        names = [f"wavs{n}[{row}]" for n, side in enumerate(sides, 1) for row in range(len(side))]
        first = np.arange(len(sides[0]))
        rows = np.broadcast_arrays(first, len(first) + np.arange(len(sides[1])))
        return self._decide([*sides[0], *sides[1]], names, *rows, threshold, min_speech)

    def verify_files(
        self, path_x, path_y, threshold=None, min_speech=encoding.MIN_SPEECH, **kwargs
    ):
        """Verify two files, of any sampling rate, length and number of channels.

        What is given beyond the arguments of `verify_batch` is for `load_audio`. The answer is that
        of `verify_batch`, in tensors of shape (); its errors name the file.
        """
        paths = [path_x, path_y]
        signals = [self.load_audio(path, **kwargs) for path in paths]
        rows = np.array([0]), np.array([1])
        answer = self._decide(signals, paths, *rows, threshold, min_speech)
        return tuple(part[0] for part in answer)

    def _decide(self, signals, names, enrol, test, threshold, min_speech):
        if threshold is not None and not np.isfinite(threshold):
            raise ValueError(f"threshold is {threshold}: expected a number")
        embedded = self.embed_signals(signals, names, min_speech)
        vectors, num_frames = embedded.vectors, embedded.num_frames
        scores = self.backend.score(vectors, enrol, test)
        quality = None
        if self.calibration.low:
            quality = self.decisions.quality_measures(vectors, num_frames, enrol, test)
        llrs = self.calibration(scores, quality)
        with np.errstate(over="ignore"):
            ratios = llrs.astype(np.float32)
        if not np.isfinite(ratios).all():
            raise ValueError("a score is not finite: decision.json is damaged; fit it anew")
        accepted = llrs >= (self.threshold if threshold is None else threshold)
        answer = ratios, self.decisions.to_probability(llrs).astype(np.float32), accepted
        return tuple(torch.from_numpy(part).to(self.device) for part in answer)


def cut_batch(wavs: torch.Tensor, wav_lens: torch.Tensor | None) -> list[torch.Tensor]:
    """The signals of a batch, whose lengths are relative, without what follows their ends.

    Raises
    ------
    ValueError
        No tensor of shape (batch, time) or (time,), or not as many lengths in (0, 1].
    """
    if not isinstance(wavs, torch.Tensor) or wavs.dim() not in (1, 2):
        shape = tuple(getattr(wavs, "shape", ())) or f"a {type(wavs).__name__}"
        raise ValueError(f"waveforms: found {shape}, expected a tensor (batch, time) or (time,)")
    wavs = torch.atleast_2d(wavs.detach())
    lengths = torch.ones(len(wavs)) if wav_lens is None else torch.as_tensor(wav_lens).cpu()
    if lengths.shape != wavs.shape[:1] or not ((lengths > 0) & (lengths <= 1)).all():
        raise ValueError(
            f"lengths: found {lengths.tolist()}, expected {len(wavs)} above 0, at most 1"
        )
    if len(wavs) > wavs.shape[1] > 0:
        raise ValueError(f"waveforms: found {tuple(wavs.shape)}, expected (batch, time)")
    frames = (lengths * wavs.shape[1]).round().long().clamp(min=1).tolist()
    return [wav[:length] for wav, length in zip(wavs, frames, strict=True)]


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
    decisions, backends = import_beside("decisions"), import_beside("backends")
    try:
        decision = json.loads(path.read_bytes())
        checksums = import_beside("checksums")
        if "checksum" in decision and decision["checksum"] != checksums.content_checksum(decision):
            raise ValueError("its checksum is that of another content")
        backend, threshold = path.with_name(decision["backend"]), decision["threshold"]
        calibration = decisions.Calibration(**decision["calibration"])
        calibration.check()
        if len(calibration.weights) != 1 + len(calibration.low):
            raise ValueError(f"{len(calibration.weights)} weights for one system")
        decisions.check_numbers("threshold", [threshold], decisions.MOST_RATIO)
        content = backend.read_bytes()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        raise ValueError(f"{path}: damaged ({_brief(error)}); fit it anew") from error
    if hashlib.sha256(content).hexdigest() not in backend.name:
        raise ValueError(f"{backend}: damaged: its content is not what its name tells; fit anew")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return backends.Backend.from_arrays(arrays), calibration, threshold


def _brief(error):
    """What is wrong, in one line that can be read, whatever the file holds."""
    return f"{error!a:.200}"

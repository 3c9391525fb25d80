#!/usr/bin/env python3
"""Embed recordings and verify speakers with the exported network beside this file, without torch.

> pip install numpy soundfile onnxruntime
> python speaker_onnx.py verify one.wav other.wav
> python speaker_onnx.py embed one.wav other.wav --out embeddings.npz

`verify` ends with 0 for one speaker, 1 for two, and 2 after an error; a network without threshold
gives its score, and ends with 0. In Python: `SpeakerNetwork().verify_files("one.wav", "other.wav")`
"""

import argparse
import base64
import io
import json
import sys
import types
from pathlib import Path

import numpy as np
import onnxruntime
import soundfile as sf

HERE = Path(__file__).resolve().parent
SAMPLE_RATE = 16000
MAX_PEAK = 10.0  # full scale is 1; what is above is damaged, or on another scale
MIN_SPEECH = 0.5  # s
CHUNK, CONTEXT = 512, 64  # audio samples that the detector hears at once, and those before them
SEGMENT = 1875 * CHUNK  # 1 min, after which the detector begins anew
LOUDNESS = 0.05  # root mean square at which the detector gets a recording
HOW_TO_DECIDE = (
    "no threshold has been fitted to this network: python speaker_verification.py "
    "hparams/verification.yaml --calibration_trials dev_trials.txt …, then export it again"
)


class SpeakerNetwork:
    """A network, the detector of speech, and the threshold, of the folder that holds this file.

    `network` is the name of another file there; with `threads` 0 all cores are used. What cannot be
    embedded is a ValueError, a file that is not there a FileNotFoundError.
    """

    def __init__(self, network: str = "speaker.onnx", folder: Path = HERE, threads: int = 0):
        known = json.loads((folder / "checksums.json").read_text(encoding="utf-8"))
        self.session = _open(folder / network, known, threads)
        self.detector = _open(folder / "silero_vad.onnx", known, 1)
        self.about = self.session.get_modelmeta().custom_metadata_map
        level = self.about.get("speech_level")
        self.speech_level = None if level is None else float(level)
        self.threshold = None
        if "backend" in self.about:
            with np.load(io.BytesIO(base64.b64decode(self.about["backend"]))) as arrays:
                self.backend = part("backends").Backend.from_arrays(arrays)
            calibration = json.loads(self.about["calibration"])
            self.calibration = part("decisions").Calibration(**calibration)
            self.threshold = json.loads(self.about["threshold"])

    def verify_files(self, path_x, path_y, min_speech=MIN_SPEECH):
        """Log-likelihood ratio, probability, and whether both are of one speaker.

        Without a threshold these are the cosine, None and None.
        """
        vectors, frames = self.embed_files(path_x, path_y, min_speech=min_speech)
        rows = np.array([0]), np.array([1])
        if self.threshold is None:
            return part("backends").cosine_similarity(vectors, *rows).item(), None, None
        quality = None
        if self.calibration.low:
            quality = part("decisions").quality_measures(vectors, frames, *rows)
        llr = self.calibration(self.backend.score(vectors, *rows), quality)
        probability = part("decisions").to_probability(llr)
        return llr.item(), probability.item(), bool(llr.item() >= self.threshold)

    def embed_files(self, *paths, min_speech=MIN_SPEECH):
        """Embeddings (files, dim), float32, and the lengths of the files in audio samples."""
        if not 0 <= min_speech < np.inf:
            raise ValueError(f"min_speech is {min_speech}: expected seconds, 0 or more")
        signals = [self.prepare(load_audio(path), path, min_speech) for path in paths]
        vectors = [self._embed(*pair) for pair in zip(signals, paths, strict=True)]
        return np.stack(vectors), np.array([len(signal) for signal in signals])

    def prepare(self, signal, name, min_speech=MIN_SPEECH):
        """A signal without its offset, at the level of the training data; refused without speech"""
        if not len(signal) or not np.isfinite(signal).all():
            raise ValueError(f"{name}: empty, or holds values that are not finite")
        if (peak := np.abs(signal).max()) > MAX_PEAK:
            raise ValueError(
                f"{name}: a sample of {peak:.3g}, expected -1 to 1: damaged, or on another scale; "
                "export it again"
            )
        signal = signal - signal.mean()
        speech = self.detect(signal)
        seconds = speech.sum().item() * CHUNK / SAMPLE_RATE
        if not seconds or seconds < min_speech:
            unit = 10 if seconds >= 0.1 else 100
            heard = f"{np.floor(seconds * unit) / unit} s of" if seconds else "no"
            wanted = f", expected {min_speech} s at least (min_speech)" if min_speech else ""
            raise ValueError(
                f"{name}: {heard} speech in {len(signal) / SAMPLE_RATE:.1f} s of audio{wanted}; "
                "give another recording"
            )
        if self.speech_level is None:
            return signal
        heard = signal[speech.repeat(CHUNK)[: len(signal)]].astype(np.float64)
        level = round(10 * np.log10(np.square(heard).mean()).item(), 1)
        return signal * np.float32(10 ** ((self.speech_level - level) / 20))

    def detect(self, signal):
        """Whether somebody speaks in each chunk of a signal, shape (chunks,)."""
        rms = np.sqrt(np.square(signal).mean())
        loud = (signal * (LOUDNESS / rms)).clip(-1, 1) if rms > 0 else signal
        answers = []
        for start in range(0, len(loud), SEGMENT):
            segment = loud[start : start + SEGMENT]
            segment = np.pad(segment, (CONTEXT, -len(segment) % CHUNK)).astype(np.float32)
            chunks = np.lib.stride_tricks.sliding_window_view(segment, CHUNK + CONTEXT)[::CHUNK]
            state = np.zeros((1, 1, 128), np.float32)
            answers.append(self.detector.run(None, {"input": chunks, "h": state, "c": state})[0])
        return np.concatenate(answers) > 0.5

    def _embed(self, signal, name):
        windows = part("windows")
        shortest = windows.MIN_FRAMES
        repeated = np.tile(signal, -(-shortest // len(signal)))[: max(shortest, len(signal))]
        starts, size = windows.windows(len(repeated))
        inputs = [{"waveforms": repeated[None, start : start + size]} for start in starts]
        vector = np.mean([self.session.run(None, each)[0] for each in inputs], axis=0)[0]
        if not np.isfinite(vector).all():
            raise ValueError(f"{name}: the network gives values that are not finite")
        return vector


def load_audio(path) -> np.ndarray:
    """Read a file at 16 kHz, float32 of shape (time,), block by block.

    It is the mean of its channels or, where they cancel, the louder of them.
    """
    polyphase, decoding = part("polyphase"), part("decoding")
    if Path(path).is_dir():
        raise FileNotFoundError(f"{path}: a folder, where a recording is expected")
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such recording")
    if not Path(path).stat().st_size:
        raise ValueError(f"{path}: empty; export it again")
    if fault := part("truncation").fault_of(path):
        raise ValueError(f"{path}: {fault}; copy or export it again")
    try:
        with decoding.AudioFile(path) as audio:
            seconds = audio.blocks(audio.samplerate, dtype="float32", always_2d=True)
            channel = polyphase.louder_channel(seconds) if audio.channels > 1 else None
        with decoding.AudioFile(path) as audio:
            found, told = [], audio.frames if audio.counted else None

            def read(frames):
                block = audio.read(frames, dtype="float32", always_2d=True)
                found.append(len(block))
                return polyphase.mono(block, channel)

            rates, resample = (audio.samplerate, SAMPLE_RATE), part("resampling").resample
            blocks = list(polyphase.resampled(read, *rates, resample=resample))
    except (sf.SoundFileError, ValueError) as error:
        raise ValueError(f"{path}: cannot be decoded ({error}); export it again") from error
    if told not in (None, sum(found)):
        raise ValueError(
            f"{path}: truncated: {sum(found):,} of {told:,} samples are there; copy or export "
            "it again"
        )
    return np.concatenate(blocks)


def part(name: str) -> types.ModuleType:
    """A file of the recipe, of those at the end of this one, as a module."""
    key = f"{__name__}.{name}"
    if key not in sys.modules:
        module = sys.modules[key] = types.ModuleType(key)
        exec(compile(SOURCES[name], f"{__file__}: {name}.py", "exec"), module.__dict__)
    return sys.modules[key]


SOURCES: dict[str, str] = {}


def _open(path, known, threads):
    """A session of onnxruntime, of a file that is found to be whole."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such network; export it again")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 4
    try:
        if path.name in known and known[path.name] != part("checksums").measure(path):
            raise ValueError("not what was written")
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's have no class of their own
        raise ValueError(f"{path}: damaged; copy the network again") from error


def main(argv=None) -> int:
    """Command line; returns the exit code."""
    about, _, more = __doc__.partition("\n\n")
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=about, epilog=more, formatter_class=form)
    parser.add_argument("verb", choices=("verify", "embed"))
    parser.add_argument("files", nargs="+", help="recordings: two for verify")
    parser.add_argument("--out", help="of embed: npz file with ids and vectors")
    parser.add_argument("--network", default="speaker.onnx", help="speaker.int8.onnx, ...")
    parser.add_argument("--min_speech", type=float, default=MIN_SPEECH, help="seconds (0.5)")
    parser.add_argument("--threads", type=int, default=0, help="0: all cores")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    try:
        if args.verb == "verify" and len(args.files) != 2:
            raise ValueError(f"verify: found {len(args.files)} recordings, expected two")
        if args.verb == "embed" and not (args.out or args.json):
            raise ValueError("embed: give --out FILE.npz, or --json")
        network = SpeakerNetwork(args.network, threads=args.threads)
        return {"verify": _verify, "embed": _embed}[args.verb](network, args)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _verify(network, args):
    score, probability, same = network.verify_files(*args.files, min_speech=args.min_speech)
    if args.json:
        names = ("score", "probability", "same_speaker", "threshold")
        answer = score, probability, same, network.threshold
        print(json.dumps(dict(zip(names, answer, strict=True))))
    elif same is None:
        print(f"cosine {score:.3f}; {HOW_TO_DECIDE}")
    else:
        print(
            f"{'one speaker' if same else 'two speakers'}: log-likelihood ratio {score:.3f}, "
            f"threshold {network.threshold:.3f}; probability {probability:.1%}"
        )
    return 1 if same is False else 0


def _embed(network, args):
    vectors, _ = network.embed_files(*args.files, min_speech=args.min_speech)
    if args.out:
        with open(args.out, "wb") as fout:
            np.savez(fout, ids=np.array(args.files), vectors=vectors)
    if args.json:
        print(json.dumps(dict(zip(args.files, vectors.tolist(), strict=True))))
    return 0


if __name__ == "__main__":
    sys.exit(main())

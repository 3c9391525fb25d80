"""Load a trained network, and find out which utterances it can embed together in a batch."""

import contextlib
from pathlib import Path

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from local.bundle.finding import check_whole, find_bundle
from local.errors import RecipeError
from local.processes import choose_device

MIN_COSINE, MIN_CENTRED_COSINE = 0.99999, 0.9999
PROBE_LENGTHS = (24000, 8000, 17011, 12345)  # audio samples


def load_encoder(checkpoint: str | Path, device: str | None = None, precision: str = "fp32"):
    """Load the network that a run has left, as SpeechBrain's EncoderClassifier.

    `checkpoint` is the output folder of the run, or its inference bundle. Features are computed in
    fp32 whatever the precision.

    Raises
    ------
    RecipeError
        No trained network there, or a damaged one; no such device or precision; a package is
        missing.
    """
    # Here, because it takes a second that those who find their embeddings cached need not wait.
    from speechbrain.inference.classifiers import EncoderClassifier

    bundle = find_bundle(checkpoint)
    check_whole(bundle)
    folder = str(bundle)
    try:
        return EncoderClassifier.from_hparams(
            source=folder,
            overrides={"pretrained_path": folder},  # right even if the run was moved
            run_opts={"device": choose_device(device, precision), "precision": precision},
        )
    except ImportError as error:
        reason = str(error).splitlines()[0]
        raise RecipeError(f"{checkpoint}: this network needs another package: {reason}") from error


@torch.inference_mode()
def encode(encoder, signals: list[np.ndarray]) -> torch.Tensor:
    """Embed one batch of float32 signals; gives (batch, dim) in float32 on the CPU.

    Signals of different lengths are not padded: a network's features may reflect the signal at its
    end, round its length to frames or normalise it by its own mean, so features are computed
    signal by signal. It is these that are padded, and the network gets their relative lengths.
    """
    signals = [torch.from_numpy(signal).to(encoder.device) for signal in signals]
    gpus = [encoder.device] if "cuda" in encoder.device else []
    # SpeechBrain's statistics pooling adds a little noise: the same to each batch.
    with torch.random.fork_rng(gpus), encoder.inference_ctx:
        torch.manual_seed(0)
        if len({len(signal) for signal in signals}) == 1:
            vectors = encoder.encode_batch(torch.stack(signals))
        else:
            alone = torch.ones(1, device=encoder.device)
            features = [
                encoder.mods.mean_var_norm(encoder.mods.compute_features(signal[None]), alone)[0]
                for signal in signals
            ]
            frames = torch.tensor([len(matrix) for matrix in features], device=encoder.device)
            padded = pad_sequence(features, batch_first=True)
            vectors = encoder.mods.embedding_model(padded, frames / frames.max())
    return vectors.reshape(len(signals), -1).float().cpu()


def batching(encoder) -> str:
    """Find out which batches leave this network's embeddings as they are.

    Noise of different levels and lengths is embedded together and alone. Networks whose
    convolutions see the padding (SpeechBrain's ECAPA-TDNN, x-vector and ResNet), or which have no
    masks, give something else then; they are for batches of equal lengths.

    Returns
    -------
    str
        "mixed": batches of different lengths are exact; "equal": those of equal lengths are;
        "single": not even these, as with features that are normalised over the batch.
    """
    generator = torch.Generator().manual_seed(0)
    probes = {
        "mixed": [_noise(number, n, generator) for number, n in enumerate(PROBE_LENGTHS)],
        "equal": [_noise(number, 12345, generator) for number in range(4)],
    }
    precision, encoder.inference_ctx = encoder.inference_ctx, contextlib.nullcontext()
    try:
        rules = (rule for rule, signals in probes.items() if _is_exact(encoder, signals))
        return next(rules, "single")
    finally:
        encoder.inference_ctx = precision


def _is_exact(encoder, signals):
    together = encode(encoder, signals)
    alone = torch.cat([encode(encoder, [signal]) for signal in signals])
    # Around their mean too: networks before training give all speech nearly the same direction.
    centred = (vectors - alone.mean(dim=0) for vectors in (together, alone))
    return bool(
        (torch.cosine_similarity(together, alone) >= MIN_COSINE).all()
        and (torch.cosine_similarity(*centred) >= MIN_CENTRED_COSINE).all()
    )


def _noise(number, num_frames, generator):
    fading = torch.linspace(0, -3, num_frames) if number % 2 else torch.linspace(-3, 0, num_frames)
    return (torch.randn(num_frames, generator=generator) * 10 ** (fading - number / 2)).numpy()

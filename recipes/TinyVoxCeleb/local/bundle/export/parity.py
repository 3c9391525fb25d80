"""Whether an exported network gives what the network gives, on speech of all lengths."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime

from local.bundle.export.speech import Speech
from local.bundle.export.tracing import INPUT
from local.bundle.loading import MIN_CENTRED_COSINE, MIN_COSINE, encode
from local.errors import RecipeError

SECONDS = (0.3, 0.3, 0.5, 1.0, 1.7, 3.0, 3.0, 10.0, 25.0, 60.0)
BATCH, BATCH_SECONDS = 4, 1.3  # signals that also go together


def open_network(path: Path, threads: int = 0) -> onnxruntime.InferenceSession:
    """An exported network, ready to run on so many threads; 0 for all cores."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # what is wrong is an exception as well
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def embed(session: onnxruntime.InferenceSession, signals: np.ndarray) -> np.ndarray:
    """Embeddings (batch, dim) of float32 signals (batch, time)."""
    return session.run(None, {INPUT: signals})[0]


def check_parity(
    encoder, path: Path, speech: Speech, inputs: Callable[[np.ndarray], np.ndarray] | None = None
) -> float:
    """Compare the file with the network; returns the least cosine of the two.

    `inputs` makes of signals (batch, time) what the file's network gets, if it is something else.

    Raises
    ------
    RecipeError
        An embedding is another than the network's: how far, and of how much speech.
    """
    try:
        session = open_network(path)
        # Around their mean too: networks before training give all speech nearly one direction.
        inputs = inputs or (lambda signals: signals)
        ours, theirs, seconds = _embed_both(encoder, session, speech, inputs)
    except Exception as error:  # onnxruntime's have no class of their own
        reason = str(error).strip().splitlines()[-1]
        raise RecipeError(
            f"the exported network cannot be run, nothing is left: {reason:.200}"
        ) from error
    mean = theirs.mean(axis=0)
    cosines, centred = _cosines(ours, theirs), _cosines(ours - mean, theirs - mean)
    wrong = (cosines < MIN_COSINE) | (centred < MIN_CENTRED_COSINE)
    if wrong.any() or not np.isfinite(cosines).all():
        worst = int(np.argmin(np.minimum(cosines, centred)))
        raise RecipeError(
            f"the exported network gives other embeddings than the network, nothing is left: a "
            f"cosine of {cosines[worst]:.6f} ({centred[worst]:.6f} around the mean) on "
            f"{seconds[worst]} s of speech, expected {MIN_COSINE} at least"
        )
    return float(cosines.min())


def _embed_both(encoder, session, speech, inputs):
    """Embeddings of both, each signal alone and some in a batch, and the seconds of each."""
    signals = [speech.take(length) for length in SECONDS]
    ours = [embed(session, inputs(signal[None])) for signal in signals]
    batch = [speech.take(BATCH_SECONDS) for _ in range(BATCH)]
    ours = np.concatenate([*ours, embed(session, inputs(np.stack(batch)))])
    theirs = np.concatenate([encode(encoder, [signal]).numpy() for signal in signals + batch])
    return ours, theirs, [*SECONDS, *[BATCH_SECONDS] * BATCH]


def _cosines(left, right):
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return (left.astype(np.float64) * right).sum(axis=1) / norms

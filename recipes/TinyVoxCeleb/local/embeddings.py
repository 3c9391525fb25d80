"""From a trained network and shards to one embedding an utterance.

Authors
 * The TinyVoxCeleb authors 2026
"""

from pathlib import Path

import torch
from speechbrain.inference.classifiers import EncoderClassifier
from tqdm import tqdm

from local.errors import RecipeError


def load_encoder(checkpoint, device=None):
    """Load the network that a run has left.

    Arguments
    ---------
    checkpoint : str or Path
        Output folder of a run, or its inference folder.
    device : str, optional
        Such as "cpu" or "cuda:0".

    Returns
    -------
    speechbrain.inference.classifiers.EncoderClassifier

    Raises
    ------
    RecipeError
        If there is no trained network.
    """
    for folder in (Path(checkpoint) / "inference", Path(checkpoint)):
        if (folder / "label_encoder.ckpt").is_file():
            folder = str(folder.absolute())
            return EncoderClassifier.from_hparams(
                source=folder,
                overrides={"pretrained_path": folder},  # right even if the run was moved
                run_opts={"device": device} if device else None,
            )
    raise RecipeError(
        f"{checkpoint}: no trained network here: expected the output folder of a complete run, "
        "with inference/ in it; run the training to its end"
    )


@torch.inference_mode()
def embed(encoder, batches, description):
    """Embed each utterance once.

    Arguments
    ---------
    encoder : EncoderClassifier
    batches : UtteranceBatches
    description : str
        What the progress bar says.

    Returns
    -------
    dict of str to numpy.ndarray
        Embeddings of shape (dim,), by the ids that trial lists use.
    """
    embeddings = {}
    progress = tqdm(total=len(batches.index), desc=description, unit="utt", dynamic_ncols=True)
    with progress:
        for batch in batches:
            vectors = encoder.encode_batch(batch.signals).squeeze(1).float().cpu().numpy()
            embeddings.update(zip(batch.ids, vectors, strict=True))
            progress.update(len(batch))
    return embeddings

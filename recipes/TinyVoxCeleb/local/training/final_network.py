"""Which network a training leaves: its best epoch or the mean of the last ones, then normalised."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import speechbrain as sb
import torch
from speechbrain.utils.checkpoints import Checkpoint
from tqdm import tqdm

from local.dataset import BatchLoader
from local.errors import RecipeError
from local.processes import gather, rank
from local.training.averaging import epoch_of, load_average
from local.training.checkpointer import AtomicCheckpointer

logger = sb.utils.logger.get_logger(__name__)
FINAL = "final"  # folder of a final network that is no checkpoint of the training, beside these


def gather_batches(batches: list[tuple]) -> list[tuple]:
    """Bring batches of all processes together, in the order in which one process has them.

    A batch is a tuple of the number of its step and what is known of it, which is given back. Sums
    over them are the same to the last digit for any number of processes.
    """
    numbered = gather([(step, rank(), parts) for step, *parts in batches])
    return [parts for *_, parts in sorted(numbered, key=lambda batch: batch[:2])]


def gather_embeddings(batches: list[tuple]) -> tuple[dict[str, np.ndarray], torch.Tensor]:
    """Bring a validation together: the embedding of each utterance, and the sum of the sums.

    A batch is the number of its step, ids, embeddings (batch, size) and sums over its utterances.
    """
    batches = gather_batches(batches)
    return _by_id(batches), sum(sums for *_, sums in batches)


def _by_id(batches):
    vectors = {}
    for ids, embeddings, *_ in batches:
        vectors |= zip(ids, embeddings.numpy(), strict=True)
    return vectors


def centre_embeddings(norm: torch.nn.Module, vectors: dict[str, np.ndarray], device) -> None:
    """Let SpeechBrain's global InputNormalization hold the mean of these embeddings only."""
    norm.count = 0
    norm.train()
    norm(torch.from_numpy(np.stack(list(vectors.values()))[:, None]).to(device))
    norm.eval()


@torch.no_grad()
def embed(brain: sb.Brain, loader: BatchLoader, stage: sb.Stage, title: str = "") -> list[tuple]:
    """Send all batches of a loader through a network, in all processes.

    Of each batch it gives the ids, the embeddings (batch, size) and the classes (batch,). With
    Stage.TRAIN crops are augmented. A title makes a progress bar.
    """
    brain.modules.eval()
    bar = tqdm(
        loader,
        desc=title,
        total=len(loader.order.sizes()) if title else None,
        unit="batch",
        dynamic_ncols=True,
        disable=not title or brain.noprogressbar or rank() > 0,
    )
    batches = []
    with brain.evaluation_ctx:
        for step, batch in enumerate(bar, start=1):
            embeddings, _, classes = brain.compute_forward(batch, stage)
            vectors = embeddings.squeeze(1).float().cpu()
            batches.append((step, batch.ids, vectors, classes.squeeze(1).cpu()))
    return gather_batches(batches)


def choose_network(
    brain: sb.Brain, train_loader: BatchLoader, val_loader: BatchLoader, val_eer: Callable
) -> tuple[Checkpoint, str]:
    """Load the network to leave into a brain's plain modules, and find or make its checkpoint.

    It is the epoch with the least val EER or, where `average_checkpoints` is more than 1, the mean
    of the last so many. Where its embedding model has `fit_norm`, as WithinClassNorm does, that is
    fitted. A network that is no checkpoint then is saved beside them, in FINAL.

    Returns the Checkpoint, whose meta has the network's `val_eer`, and what the network is, for the
    log: words that the number of the last epoch follows. The function `val_eer` gives the EER of
    embeddings by utterance.

    Raises
    ------
    RecipeError
        No epoch has been trained; the normalisation cannot be fitted.
    """
    checkpointer, modules = brain.checkpointer, brain.plain_modules
    number = getattr(brain.hparams, "average_checkpoints", 1)
    checkpointer.keep_epochs(number)
    key = {"importance_key": epoch_of} if number > 1 else {"min_key": "val_eer"}
    if not checkpointer.recover_if_possible(**key, ckpt_predicate=epoch_of):
        raise RecipeError(
            f"{brain.hparams.output_folder}: no epoch to test: train it without --test_only"
        )
    chosen, title = checkpointer.find_checkpoint(min_key="val_eer"), "best epoch"
    brain.modules = modules  # the training is over
    if number > 1:
        count = load_average(checkpointer, modules, number)
        title = f"average of {count} epochs to"
    epoch = brain.hparams.epoch_counter.current
    fitted = hasattr(modules.embedding_model, "fit_norm")
    if fitted:
        fit_norm(brain, train_loader)
    if number > 1 or fitted:
        # The mean of several epochs has the mean of their batch normalisation's statistics, but
        # not of its embeddings' means: these are computed anew.
        vectors = _by_id(embed(brain, val_loader, sb.Stage.VALID))
        centre_embeddings(modules.mean_var_norm_emb, vectors, brain.device)
        eer = val_eer(vectors)
        logger.info(f"{title} {epoch}, val trials (known speakers): EER {eer:.2%}")
        chosen = _save(checkpointer, modules, eer)
    return chosen, title


def fit_norm(brain: sb.Brain, train_loader: BatchLoader) -> None:
    """Fit an embedding model's last layer to an epoch of training crops, augmented as in training.

    The classifier gets the mean embedding of each speaker, as what it has learnt are directions of
    the embeddings before.
    """
    network, classifier = (brain.plain_modules[key] for key in ("embedding_model", "classifier"))
    count = brain.hparams.data.n_speakers
    network.begin_fit()
    classifier.set_means(torch.zeros(count, len(network.mean)))
    train_loader.set_epoch(brain.hparams.epochs + 1, start=0)
    batches = embed(brain, train_loader, sb.Stage.TRAIN, "normalisation of the embeddings")
    _, embeddings, classes = zip(*batches, strict=True)
    embeddings, classes = (torch.cat(part).to(brain.device) for part in (embeddings, classes))
    speakers = classes % count  # whichever voice the crop was to have
    try:
        classifier.set_means(network.fit_norm(embeddings, speakers, count))
    except ValueError as error:
        raise RecipeError(f"embedding_model, a WithinClassNorm: {error}") from error


def _save(checkpointer, modules, eer) -> Checkpoint:
    saver = AtomicCheckpointer(Path(checkpointer.checkpoints_dir).with_name(FINAL))
    saver.add_modules(modules)
    return saver.save_checkpoint(meta={"val_eer": eer}, name="network")

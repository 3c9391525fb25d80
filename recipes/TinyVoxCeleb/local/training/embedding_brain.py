"""A Brain that is evaluated by its embeddings, and tests the best checkpoint or an average."""

import logging
from pathlib import Path

import numpy as np
import speechbrain as sb
import torch
from tqdm import tqdm

from local.errors import RecipeError
from local.processes import gather, rank
from local.training.averaging import epoch_of, load_average
from local.training.checkpointer import AtomicCheckpointer
from local.training.staged_brain import StagedBrain

logger = sb.utils.logger.get_logger(__name__)
TESTED = "tested"  # folder of what is tested and no checkpoint, beside theirs


class EmbeddingBrain(StagedBrain):
    """Collects the embeddings of a validation or test, from all processes.

    It tests the checkpoint with the least `val_eer`, or, where `hparams.average_checkpoints` is
    more than 1, the mean of the last so many epochs. What is tested is `tested`, a Checkpoint, the
    meta of which has the `val_eer` of what is tested.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.average_checkpoints = getattr(self.hparams, "average_checkpoints", 1)

    def on_stage_start(self, stage, epoch=None):
        """Begin to collect embeddings."""
        super().on_stage_start(stage, epoch)
        self.evaluated = []

    def collect(self, batch, embeddings):
        """Keep the embeddings of a batch, of shape (batch, 1, size), and its sums."""
        vectors = embeddings.squeeze(1).float().cpu().numpy()
        self.evaluated.append((self.step, rank(), batch.ids, vectors, self.batch_sums))

    def collected(self):
        """What all processes have collected.

        Returns
        -------
        (dict of str to numpy.ndarray, torch.Tensor)
            The embedding of each utterance, shape (size,), and the sums of the stage.
        """
        # In the order of one process, in which sums are the same to the last digit.
        evaluated = sorted(gather(self.evaluated), key=lambda of_batch: of_batch[:2])
        vectors = {}
        for _, _, ids, of_batch, _ in evaluated:
            vectors |= zip(ids, of_batch, strict=True)
        return vectors, sum(sums for *_, sums in evaluated)

    def val_eer(self, vectors):
        """EER of the validation trials.

        Arguments
        ---------
        vectors : dict of str to numpy.ndarray
            The embedding of each utterance, shape (size,).
        """
        raise NotImplementedError

    def centre_embeddings(self, vectors):
        """Let mean_var_norm_emb hold the mean of these embeddings, and of no others."""
        norm = self.modules.mean_var_norm_emb
        norm.count = 0
        norm.train()
        norm(torch.from_numpy(np.stack(list(vectors.values()))[:, None]).to(self.device))
        norm.eval()

    def keep_checkpoint(self, epoch, eer):
        """Save the end of an epoch; of those before it keep what is needed: the best, the last."""
        self.checkpointer.save_and_keep_only(
            name=f"epoch_{epoch:04d}.step_{self.optimizer_step:09d}.val-eer_{eer:.4f}",
            meta={"val_eer": eer, "epoch": epoch},
            num_to_keep=self.average_checkpoints,
            keep_recent=False,  # which counts those within an epoch
            importance_keys=[epoch_of],
            min_keys=["val_eer"],
            verbosity=logging.DEBUG,
        )

    def on_evaluate_start(self, max_key=None, min_key=None):
        """Load the network to test; one that is no checkpoint is written beside them, to TESTED.

        The mean of several epochs has the mean of their batch normalisation's statistics, but not
        of its embeddings' means: these are computed anew.
        """
        last = self.average_checkpoints > 1
        super().on_evaluate_start(**({} if last else {"max_key": max_key, "min_key": min_key}))
        self.tested = self.checkpointer.find_checkpoint(max_key=max_key, min_key=min_key)
        self.tested_is = "best epoch"
        self.modules = self.plain_modules  # the training is over
        fitted = hasattr(self.plain_modules.embedding_model, "fit_norm")
        if last:
            count = load_average(self.checkpointer, self.plain_modules, self.average_checkpoints)
            self.tested_is = f"average of {count} epochs to"
        if fitted:
            self.fit_norm(self.plain_modules.embedding_model)
        if last or fitted:
            vectors = self._embed(self.valid_set)
            self.centre_embeddings(vectors)
            eer, epoch = self.val_eer(vectors), self.hparams.epoch_counter.current
            logger.info(f"{self.tested_is} {epoch}, val trials (known speakers): EER {eer:.2%}")
            self.tested = self._save_tested(eer)

    def fit_norm(self, network):
        """Fit its last layer to an epoch of training crops, augmented as they were in training.

        The classifier gets the mean embedding of each class, as what it has learnt are directions
        of the embeddings before.
        """
        network.reset_norm()
        self.train_set.set_epoch(self.hparams.epochs + 1, start=0)
        self.modules.eval()
        found = []
        with torch.no_grad(), self.evaluation_ctx:
            for number, batch in enumerate(self._shown(self.train_set)):
                embeddings, scores, classes = self.compute_forward(batch, sb.Stage.TRAIN)
                of_batch = embeddings.squeeze(1).float().cpu(), classes.squeeze(1).cpu()
                found.append((number, rank(), *of_batch))
        found = sorted(gather(found), key=lambda of_batch: of_batch[:2])  # as of one process
        embeddings, classes = (torch.cat([of_batch[k] for of_batch in found]) for k in (2, 3))
        of_all = embeddings.to(self.device), classes.to(self.device)
        try:
            means = network.fit_norm(*of_all, count=scores.shape[-1])
        except ValueError as error:
            raise RecipeError(f"embedding_model, a WithinClassNorm: {error}") from error
        weight = self.plain_modules.classifier.weight.detach()
        means = means.repeat_interleave(len(weight) // len(means), dim=0)
        seen = means.any(dim=1)  # a class may have no crop in an epoch
        weight[seen] = means[seen]

    def _shown(self, loader):
        total, silent = len(loader.order.sizes()), self.noprogressbar or rank() > 0
        text = "normalisation of the embeddings"
        return tqdm(loader, text, total, unit="batch", dynamic_ncols=True, disable=silent)

    def _save_tested(self, eer):
        parts = {
            name: module
            for name, module in self.plain_modules.items()
            if name in self.checkpointer.recoverables
        }
        folder = Path(self.checkpointer.checkpoints_dir).with_name(TESTED)
        tested = AtomicCheckpointer(folder, parts)
        return tested.save_checkpoint(meta={"val_eer": eer}, name="network")

    def _embed(self, loader):
        self.on_stage_start(sb.Stage.VALID)
        self.modules.eval()
        with torch.no_grad(), self.evaluation_ctx:
            for self.step, batch in enumerate(loader, start=1):
                outputs = self.compute_forward(batch, sb.Stage.VALID)
                self.compute_objectives(outputs, batch, sb.Stage.VALID)
        self.step = 0
        return self.collected()[0]

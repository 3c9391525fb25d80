"""A Brain that is evaluated by its embeddings, and tests the best checkpoint or an average.

Authors
 * The TinyVoxCeleb authors 2026
"""

import logging
from pathlib import Path

import numpy as np
import speechbrain as sb
import torch

from local.averaging import epoch_of, load_average
from local.checkpointer import AtomicCheckpointer
from local.processes import gather, place
from local.staged_brain import StagedBrain


class EmbeddingBrain(StagedBrain):
    """Collects the embeddings of a validation or test, from all processes.

    It tests the checkpoint with the least `val_eer`, or, where `hparams.average_checkpoints` is
    more than 1, the mean of the last so many epochs. What is tested is `tested`, a Checkpoint.
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
        self.evaluated.append((self.step, place()[0], batch.ids, vectors, self.batch_sums))

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
        """Load the network to test; the mean of several is written to `average` beside the saves.

        Its batch normalisation has the mean statistics of theirs, and its validation embeddings are
        computed and centred anew: their mean is not the mean of the epochs' means.
        """
        if self.average_checkpoints == 1:
            super().on_evaluate_start(max_key=max_key, min_key=min_key)
            self.tested = self.checkpointer.find_checkpoint(max_key=max_key, min_key=min_key)
            self.tested_is = "best epoch"
            return
        super().on_evaluate_start()  # the last one
        count = load_average(self.checkpointer, self.plain_modules, self.average_checkpoints)
        self.centre_embeddings(self._embed(self.valid_set))
        parts = {
            name: module
            for name, module in self.plain_modules.items()
            if name in self.checkpointer.recoverables
        }
        folder = Path(self.checkpointer.checkpoints_dir).with_name("average")
        self.tested = AtomicCheckpointer(folder, parts).save_checkpoint(name=f"{count}_epochs")
        self.tested_is = f"average of {count} epochs to"

    def _embed(self, loader):
        self.on_stage_start(sb.Stage.VALID)
        self.modules.eval()
        with torch.no_grad(), self.evaluation_ctx:
            for self.step, batch in enumerate(loader, start=1):
                outputs = self.compute_forward(batch, sb.Stage.VALID)
                self.compute_objectives(outputs, batch, sb.Stage.VALID)
        self.step = 0
        return self.collected()[0]

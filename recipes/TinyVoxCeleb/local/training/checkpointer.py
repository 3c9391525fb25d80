"""Checkpoints that survive a kill at any moment, and hold all that a training has learnt."""

import logging
import os
import shutil
from collections.abc import Mapping

import torch
from speechbrain.utils.checkpoints import (
    CKPT_PREFIX,
    DEFAULT_SAVE_HOOKS,
    Checkpoint,
    Checkpointer,
    ckpt_recency,
    get_default_hook,
)
from speechbrain.utils.distributed import (
    ddp_barrier,
    if_main_process,
    main_process_only,
    run_on_main,
)
from speechbrain.utils.logger import get_logger

from local.training.averaging import epoch_of

UNFINISHED = ".unfinished-"

logger = get_logger(__name__)


class AtomicCheckpointer(Checkpointer):
    """SpeechBrain's Checkpointer, whose folders are complete or absent.

    Its parent writes the metadata that makes a folder a checkpoint before the parameters: a run
    killed meanwhile would resume from half a checkpoint. Here a folder is filled under another name
    and renamed. What a killed run left, half written or half deleted, is removed when the next one
    looks for a checkpoint.
    """

    def add_modules(self, modules: Mapping[str, torch.nn.Module]) -> None:
        """Save each module that has parameters, persistent buffers or a saver of its own."""
        for name, module in modules.items():
            saver = get_default_hook(module, DEFAULT_SAVE_HOOKS)
            if len(module.state_dict()) or saver is not DEFAULT_SAVE_HOOKS[torch.nn.Module]:
                self.add_recoverable(name, module)

    def keep_epoch(self, epoch: int, step: int, eer: float, average: int = 1) -> None:
        """Save the end of an epoch; of those before it keep what is needed: the best, the last.

        Arguments
        ---------
        step :
            Optimiser steps so far.
        eer :
            Of the val trials.
        average :
            How many of the last epochs are averaged in the end.
        """
        self.save_and_keep_only(
            name=f"epoch_{epoch:04d}.step_{step:09d}.val-eer_{eer:.4f}",
            meta={"val_eer": eer, "epoch": epoch},
            num_to_keep=average,
            keep_recent=False,  # which counts those within an epoch
            importance_keys=[epoch_of],
            min_keys=["val_eer"],
            verbosity=logging.DEBUG,
        )

    def recover_if_possible(self, *args, **kwargs):
        """See Checkpointer.recover_if_possible."""
        self._remove_leftovers()  # not before: the command may yet turn out to be wrong
        chosen = super().recover_if_possible(*args, **kwargs)
        if chosen is not None:
            logger.info(f"loaded the checkpoint {chosen.path.name}")
        return chosen

    def delete_checkpoints(self, *args, **kwargs):
        """See Checkpointer.delete_checkpoints.

        There each process lists the checkpoints for itself and then waits for the others at every
        one; whoever lists late finds fewer, and all wait for ever.
        """
        run_on_main(super().delete_checkpoints, args, kwargs)

    @main_process_only
    def _remove_leftovers(self):
        complete = sorted(self.list_checkpoints(), key=ckpt_recency)
        if complete:
            # The newest is never the one being deleted, so it tells what a checkpoint holds.
            names = complete[-1].paramfiles.keys()
            complete = [ckpt for ckpt in complete if ckpt.paramfiles.keys() == names]
        keep = {checkpoint.path for checkpoint in complete}
        for pattern in (f"{UNFINISHED}*", f"{CKPT_PREFIX}*"):
            for folder in self.checkpoints_dir.glob(pattern):
                if folder not in keep:
                    shutil.rmtree(folder)

    def _new_checkpoint_dirpath(self):
        return _unfinished(super()._new_checkpoint_dirpath())

    def _custom_checkpoint_dirpath(self, name):
        return _unfinished(super()._custom_checkpoint_dirpath(name))

    def save_checkpoint(self, *args, **kwargs):
        """See Checkpointer.save_checkpoint."""
        checkpoint = super().save_checkpoint(*args, **kwargs)
        ddp_barrier()  # until every process has written its part
        if not if_main_process():
            return checkpoint
        folder = checkpoint.path.with_name(checkpoint.path.name.removeprefix(UNFINISHED))
        if folder.exists():
            shutil.rmtree(folder)
        for file in checkpoint.path.iterdir():
            with open(file, "rb") as written:
                os.fsync(written.fileno())  # before the name: a machine may break down
        checkpoint.path.rename(folder)
        files = {name: folder / path.name for name, path in checkpoint.paramfiles.items()}
        return Checkpoint(folder, checkpoint.meta, files)


def _unfinished(path):
    return path.with_name(UNFINISHED + path.name)

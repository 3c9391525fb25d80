"""Checkpoints that survive a kill at any moment, and hold all that a training has learnt."""

import logging
import shutil
from collections.abc import Mapping

import torch
from speechbrain.utils.checkpoints import (
    CKPT_PREFIX,
    DEFAULT_SAVE_HOOKS,
    Checkpoint,
    Checkpointer,
    get_default_hook,
)
from speechbrain.utils.distributed import ddp_barrier, run_on_main
from speechbrain.utils.logger import get_logger

from local.errors import RecipeError, WriteError, write_errors
from local.files import sync, sync_all
from local.processes import on_main
from local.training.averaging import epoch_of
from local.training.checksums import write_checksums
from local.training.damage import damage

UNFINISHED = ".unfinished-"

logger = get_logger(__name__)


class AtomicCheckpointer(Checkpointer):
    """SpeechBrain's Checkpointer, whose folders are complete or absent.

    Its parent writes the metadata that makes a folder a checkpoint before the parameters: a run
    killed meanwhile would resume from half a checkpoint. Here a folder is filled under another name
    and renamed, and renamed before it is deleted. What a killed run left is removed when the next
    one looks for a checkpoint. What a power cut has damaged is passed over, and stays until another
    checkpoint is written.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.damaged = {}  # by name, what is wrong
        self._whole = set()  # names of those that have been looked through, or written here

    def add_modules(self, modules: Mapping[str, torch.nn.Module]) -> None:
        """Save each module that has parameters, persistent buffers or a saver of its own."""
        for name, module in modules.items():
            saver = get_default_hook(module, DEFAULT_SAVE_HOOKS)
            if len(module.state_dict()) or saver is not DEFAULT_SAVE_HOOKS[torch.nn.Module]:
                self.add_recoverable(name, module)

    def keep_epoch(self, epoch: int, step: int, eer: float, average: int = 1) -> None:
        """Save the end of an epoch; keep of the others the best, the last two, and the two newest.

        Should the newest turn out to be damaged, there is the one before.

        Arguments
        ---------
        step :
            Optimiser steps so far.
        eer :
            Of the val trials.
        average :
            How many of the last epochs are averaged in the end.
        """
        self.save_checkpoint(
            name=f"epoch_{epoch:04d}.step_{step:09d}.val-eer_{eer:.4f}",
            meta={"val_eer": eer, "epoch": epoch},
            verbosity=logging.DEBUG,
        )
        self._keep(average)

    def keep_step(self) -> None:
        """Save a step within an epoch; keep of such ones what is among the two newest of all."""
        self.save_checkpoint(end_of_epoch=False, verbosity=logging.DEBUG)
        self._keep()

    def keep_epochs(self, average: int = 1) -> None:
        """Keep of a training that is over the ends of epochs only, as `keep_epoch` would.

        A run that is killed before it has removed the others has no epoch after which to do so.
        """
        self._keep(average, newest=0)

    def _keep(self, average=None, newest=2):
        """Without a number of epochs to average, all ends of epochs stay."""
        run_on_main(self._remove_others, args=[average, newest])

    def _remove_others(self, average, newest):
        keep = self.find_checkpoints(max_num_checkpoints=newest)
        last = average and max(average, 2)  # the same ones, wherever the run was stopped
        keep += self.find_checkpoints(
            importance_key=epoch_of, ckpt_predicate=epoch_of, max_num_checkpoints=last
        )
        keep += self.find_checkpoints(min_key="val_eer", max_num_checkpoints=1)
        keep = {checkpoint.path for checkpoint in keep}
        for folder in self.checkpoints_dir.glob(f"{CKPT_PREFIX}+*"):
            if folder not in keep:
                _remove(folder)

    def recover_if_possible(self, *args, **kwargs):
        """See Checkpointer.recover_if_possible; what is damaged is passed over, with a warning.

        Raises
        ------
        RecipeError
            There are checkpoints, and all are damaged.
        """
        self.damaged = on_main(self._look_through)  # not before: the command may yet be wrong
        chosen = super().recover_if_possible(*args, **kwargs)
        if chosen is None and self.damaged:
            faults = ", ".join(f"{name} ({fault})" for name, fault in self.damaged.items())
            raise RecipeError(
                f"{self.checkpoints_dir}: no checkpoint is whole: {faults}: put a copy of one in "
                "its place, or remove this folder, and the training begins anew"
            )
        for name, fault in self.damaged.items():
            logger.warning(f"{self.checkpoints_dir / name}: passed over, as its {fault}")
        if chosen is not None:
            logger.info(f"loaded the checkpoint {chosen.path.name}")
        return chosen

    def _look_through(self):
        """Remove what a killed run left half; say which checkpoints are damaged, and how."""
        for folder in self.checkpoints_dir.glob(f"{UNFINISHED}*"):
            shutil.rmtree(folder)
        folders = sorted(self.checkpoints_dir.glob(f"{CKPT_PREFIX}+*"))
        names = [name for name in self.recoverables if not self.optional_recoverables.get(name)]
        folders = [folder for folder in folders if folder.name not in self._whole]
        faults = {folder.name: damage(folder, names) for folder in folders}
        self._whole |= {name for name, fault in faults.items() if not fault}
        return {name: fault for name, fault in faults.items() if fault}

    def _list_checkpoint_dirs(self):
        return [path for path in super()._list_checkpoint_dirs() if path.name not in self.damaged]

    def _new_checkpoint_dirpath(self):
        return _unfinished(super()._new_checkpoint_dirpath())

    def _custom_checkpoint_dirpath(self, name):
        return _unfinished(super()._custom_checkpoint_dirpath(name))

    def save_checkpoint(self, *args, **kwargs):
        """See Checkpointer.save_checkpoint.

        Raises
        ------
        WriteError
            The disk is full, for example; the checkpoints before stay as they are.
        """
        try:
            with write_errors(self.checkpoints_dir):
                return self._put_in_place(super().save_checkpoint(*args, **kwargs))
        except WriteError:
            for folder in self.checkpoints_dir.glob(f"{UNFINISHED}*"):
                shutil.rmtree(folder, ignore_errors=True)
            raise

    def _put_in_place(self, checkpoint):
        ddp_barrier()  # until every process has written its part
        if checkpoint is None:
            return None
        write_checksums(checkpoint.path)
        sync_all(checkpoint.path)
        folder = checkpoint.path.with_name(checkpoint.path.name.removeprefix(UNFINISHED))
        if folder.exists():
            _remove(folder)
        checkpoint.path.rename(folder)
        sync(self.checkpoints_dir)
        self.damaged.pop(folder.name, None)
        self._whole.add(folder.name)
        files = {name: folder / path.name for name, path in checkpoint.paramfiles.items()}
        return Checkpoint(folder, checkpoint.meta, files)


def _remove(folder):
    """Remove a checkpoint: it is there or not, never in half."""
    doomed = folder.with_name(f"{UNFINISHED}old-{folder.name}")
    shutil.rmtree(doomed, ignore_errors=True)
    folder.rename(doomed)
    shutil.rmtree(doomed)


def _unfinished(path):
    path = path.with_name(UNFINISHED + path.name)
    shutil.rmtree(path, ignore_errors=True)
    return path

"""A SpeechBrain Brain that can be stopped after any step, and runs in one process or in many."""

import os
import random
import signal
import time

import numpy as np
import speechbrain as sb
import torch
import yaml
from speechbrain.utils.checkpoints import mark_as_loader, mark_as_saver, register_checkpoint_hooks
from speechbrain.utils.distributed import ddp_all_reduce
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from local.dataset import sample_seed
from local.errors import Stopped
from local.processes import add_up, rank, share_tensor, world_size
from local.training.outlook import Outlook
from local.training.stop_signals import stop_signals

SUMS = ("sums", "step_sums")  # over the utterances and over the steps of the epoch so far


@register_checkpoint_hooks
class ResumableBrain(sb.Brain):
    """Training that ends with the same numbers however often it is stopped and started again.

    Within an epoch, all follows from the number of the step: the batches, for which the training
    loader has `set_epoch(epoch, start)`; the network's random numbers, by `hparams.random_seed`;
    and what a subclass makes of `batch_number`. With the sums of the epoch so far it is saved every
    `ckpt_interval_minutes`, and on SIGTERM, SIGUSR1 and Ctrl-C.

    In `compute_objectives`, a subclass passes its loss through `count_batch`, and in
    `optimizers_step` the norm of its gradients through `count_gradients`.

    Attributes
    ----------
    plain_modules : torch.nn.ModuleDict
        The modules as the hparams file makes them, which checkpoints hold: not compiled and not
        shared between processes, for utterances of all lengths.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.outlook = Outlook()
        self.plain_modules = torch.nn.ModuleDict(self.modules)
        self.remember(**self.plain_modules)
        if self.checkpointer is not None:
            self.checkpointer.add_recoverable("counter", self.hparams.epoch_counter)

    def remember(self, **modules: torch.nn.Module) -> None:
        """Save modules with every checkpoint, under these names, as far as they have a state."""
        if self.checkpointer is not None:
            self.checkpointer.add_modules(modules)

    def fit(self, epoch_counter, train_set, valid_set=None, **kwargs):
        """See Brain.fit; the sets are BatchLoaders.

        Raises
        ------
        Stopped
            A signal has come, and a checkpoint is written.
        """
        self.train_set = train_set
        self.parent = os.getppid()
        with stop_signals() as self.stop_request:
            super().fit(epoch_counter, train_set, valid_set, **kwargs)

    @property
    def batch_number(self) -> int:
        """Number of the batch at hand in the whole training; before the first one, 1."""
        return self.train_set.order.batches_before(self.epoch) + max(self.step, 1)

    def on_stage_start(self, stage, epoch=None):
        """Begin the sums of a stage, or carry on with those of an epoch that was stopped."""
        self.epoch = epoch
        self.batch_sums = torch.zeros(3, dtype=torch.float64)
        resumed = stage == sb.Stage.TRAIN and self.step > 0
        self.sums = self.sums if resumed else torch.zeros(3, dtype=torch.float64)
        if stage == sb.Stage.TRAIN:
            self.step_sums = self.step_sums if resumed else torch.zeros(3, dtype=torch.float64)
            self.train_set.set_epoch(epoch, start=self.step)
            self.batch_sizes = self.train_set.order.sizes()
            self.outlook.begin_epoch(self.train_set, self.hparams.epochs, epoch, self.step)
            self.bar = tqdm(
                initial=self.step,
                total=len(self.batch_sizes),
                desc=f"epoch {epoch}/{self.hparams.epochs}",
                unit="batch",
                dynamic_ncols=True,
                disable=self.noprogressbar or rank() > 0,
            )
        else:  # batch normalisation has seen other utterances in each process
            for buffer in self.plain_modules.buffers():
                share_tensor(buffer)

    def on_fit_batch_start(self, batch, should_step):
        """Set the random numbers of the step."""
        seed = sample_seed(
            self.hparams.random_seed, self.epoch, f"step {self.step} of process {rank()}"
        )
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)

    def count_batch(self, count: int, loss: torch.Tensor, correct: torch.Tensor, stage):
        """Take down what a batch adds to the statistics of its stage.

        Returns the loss for the gradient: processes average theirs, so that it is weighted by the
        share of the batch that this process has.

        Arguments
        ---------
        count :
            Utterances that this process has of it.
        loss :
            Their mean loss.
        correct :
            How many of them were classified correctly.
        """
        loss_sum = loss.detach().double() * count
        self.batch_sums = torch.stack(
            [torch.full_like(loss_sum, count), loss_sum, correct.double()]
        )
        if stage != sb.Stage.TRAIN:
            self.batch_sums = self.batch_sums.cpu()  # to be gathered from all devices
            return loss
        if world_size() == 1:
            return loss
        return loss * (count * world_size() / self.batch_sizes[self.step - 1])

    def count_gradients(self, norm: torch.Tensor) -> None:
        """Take down the norm of the gradients of a step, before they were clipped."""
        norm = norm.double()
        # Steps that fp16 skips, to lower its scale, are none.
        taken, clipped = norm.isfinite(), norm > self.max_grad_norm
        sums = torch.stack([taken, norm.nan_to_num(posinf=0.0), taken & clipped])
        self.step_sums = self.step_sums.to(sums.device) + sums

    def on_fit_batch_end(self, batch, outputs, loss, should_step):
        """Add the batch, of all processes, to the sums of the epoch, and show them."""
        self.outlook.end_step(self.batch_number)
        self.sums = self.sums.to(self.batch_sums.device) + add_up(self.batch_sums)
        if self.bar.update():  # where it was time to draw it: reading a GPU's numbers takes a while
            stats = self.mean_stats()
            text = f"loss {stats['loss']:.3f}, accuracy {stats['accuracy']:.1%}"
            self.bar.set_postfix_str(text, refresh=False)

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """End the progress bar of an epoch; stop before its validation, if that is asked for."""
        if stage == sb.Stage.TRAIN:
            self.bar.close()
            self.train_sums = self.sums
            if self._agreed(self._asked_to_stop()):
                self._save_intra_epoch_ckpt()

    def evaluate_batch(self, batch, stage):
        """Stop in a validation, if that is asked for: its epoch's training is done."""
        if world_size() == 1 and self._agreed(self._asked_to_stop()):
            self.step, self.sums = len(self.batch_sizes), self.train_sums
            self._save_intra_epoch_ckpt()
        return super().evaluate_batch(batch, stage)

    def mean_stats(self) -> dict[str, float]:
        """Loss and accuracy, averaged over the utterances of the stage so far."""
        count, loss_sum, correct = self.sums.tolist()
        return {"loss": loss_sum / count, "accuracy": correct / count}

    def gradient_stats(self) -> dict[str, float]:
        """Mean norm of the gradients of the epoch so far, and the share of steps clipped."""
        taken, norms, clipped = self.step_sums.tolist()
        taken = max(taken, 1)
        return {"grad_norm": norms / taken, "clipped": clipped / taken}

    def _should_save_intra_epoch_ckpt(self, last_ckpt_time, steps_since_ckpt):
        if self.step % self.grad_accumulation_factor:
            return False  # gradients that are being accumulated are not saved
        minutes = (time.time() - last_ckpt_time) / 60
        due = 0 < self.ckpt_interval_minutes < minutes
        due |= 0 < self.ckpt_interval_steps <= steps_since_ckpt
        return self._agreed(self._asked_to_stop(), due)

    def _asked_to_stop(self):
        """The number of a signal that has come, or 0; a torchrun that has died asks too."""
        if self.distributed_launch and os.getppid() != self.parent:
            return signal.SIGTERM
        return self.stop_request.number

    def _agreed(self, stopping, due=False):
        """Whether to write a checkpoint, as all processes agree."""
        if world_size() > 1:
            decision = torch.tensor([stopping, due], device=self.device)
            stopping, due = ddp_all_reduce(decision, torch.distributed.ReduceOp.MAX).tolist()
        self.stopping = stopping
        return bool(stopping or due)

    def _save_intra_epoch_ckpt(self):
        self.checkpointer.keep_step()
        if self.stopping:
            self.bar.close()
            message = (
                f"stopped by {signal.Signals(self.stopping).name} in epoch {self.epoch} after "
                f"{self.step} of {len(self.batch_sizes)} steps; the same command carries on"
            )
            raise Stopped(self.stopping, message if rank() == 0 else "")

    @mark_as_saver
    def _save(self, path):
        super()._save(path)
        with open(path, "a", encoding="utf-8") as fout:
            for name in SUMS:
                fout.write(f"{name}: {getattr(self, name).tolist()}\n")

    @mark_as_loader
    def _recover(self, path, end_of_epoch):
        super()._recover(path, end_of_epoch)
        with open(path, encoding="utf-8") as fin:
            saved = yaml.safe_load(fin)
        for name in SUMS:
            setattr(self, name, torch.tensor(saved[name], dtype=torch.float64))

    def _wrap_distributed(self):
        """As SpeechBrain's, for CPUs too, for which torch has no SyncBatchNorm."""
        if not self.distributed_launch:
            return
        for name, module in self.modules.items():
            if any(parameter.requires_grad for parameter in module.parameters()):
                on_gpu = self.device_type == "cuda"
                if on_gpu:
                    module = torch.nn.SyncBatchNorm.convert_sync_batchnorm(module)
                # Buffers are shared by on_stage_start: evaluation has no common steps.
                self.modules[name] = DistributedDataParallel(
                    module,
                    device_ids=[self.device] if on_gpu else None,
                    forward_sync_buffers=False,
                    find_unused_parameters=self.find_unused_parameters,
                )

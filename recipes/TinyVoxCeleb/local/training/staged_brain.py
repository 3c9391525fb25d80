"""A Brain whose modules need not all be trained at once, nor all at one learning rate."""

import speechbrain as sb
import torch

from local.errors import RecipeError
from local.training.lr_factors import divide_by_lr_factor
from local.training.resumable_brain import ResumableBrain
from local.training.unfreezing import freeze, set_modes


class StagedBrain(ResumableBrain):
    """What is trained follows from the epoch by `hparams.unfreezing`, see `freeze`.

    The learning rate of the schedule is multiplied for each module by its factor in
    `hparams.lr_factors`, see `divide_by_lr_factor`. Without these keys all is trained alike.
    """

    def on_fit_start(self):
        """Keep the modules as they are named, before they are compiled and shared.

        Raises
        ------
        RecipeError
            A key names a module that there is not.
        """
        self.bare_modules = torch.nn.ModuleDict(self.modules)
        self.unfreezing, self.lr_factors = (
            getattr(self.hparams, key, {}) for key in ("unfreezing", "lr_factors")
        )
        for name in (*self.unfreezing, *self.lr_factors):
            try:
                self.bare_modules.get_submodule(name)
            except AttributeError:
                raise RecipeError(
                    f"unfreezing or lr_factors: {name} is no part of the modules "
                    f"{', '.join(self.modules)}; name one"
                ) from None
        # DistributedDataParallel would wait for gradients of what is frozen.
        self.find_unused_parameters |= bool(self.unfreezing)
        super().on_fit_start()

    def init_optimizers(self):
        """Tell the optimiser apart what has factors of its own."""
        opt_class = self.opt_class
        if self.lr_factors:
            self.opt_class = lambda parameters: opt_class(
                divide_by_lr_factor(parameters, self.bare_modules, self.lr_factors)
            )
        super().init_optimizers()

    def on_stage_start(self, stage, epoch=None):
        """Freeze what is not trained in an epoch."""
        super().on_stage_start(stage, epoch)
        if stage == sb.Stage.TRAIN:
            self.states = freeze(self.bare_modules, self.unfreezing, epoch)

    def on_fit_batch_start(self, batch, should_step):
        """Learning rate of each module in the step."""
        super().on_fit_batch_start(batch, should_step)
        for group in self.optimizer.param_groups:
            group["lr"] *= group.get("lr_factor", 1.0)
        set_modes(self.states)  # not before: the epoch begins with train() of all modules

"""What a step does to the network: schedules, clipping, averaging of weights, divergence."""

import copy

import speechbrain as sb
import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from local.errors import RecipeError

NAMED = 3  # utterances of a batch that a message names


class DivergedError(RecipeError):
    """The loss is not finite."""


class OptimizingBrain(sb.Brain):
    """A Brain that takes down what its gradients do, and may evaluate an average of its weights.

    All follows from the number of the step, so that a resumed training repeats it: the learning
    rate by `hparams.lr_annealing(batch)`; the margin, where there is a `hparams.margin_schedule`,
    by the same; and the average by `hparams.ema_decay`, from 0 up, see `ema_decay_at`.

    With an average, `plain_modules`, which are those of the YAML file, hold it: they are validated,
    saved under their names and tested. `modules`, which are trained, begin as copies of them.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # Without what compiles and shares them: utterances of all lengths, in processes of their
        # own, are evaluated by these.
        self.plain_modules = torch.nn.ModuleDict(self.modules)
        check_optimization(self.hparams, self.modules)
        self.ema_decay = getattr(self.hparams, "ema_decay", 0.0)
        if self.ema_decay:
            self._average_weights()

    def _average_weights(self):
        self.averaged = torch.nn.ModuleDict(
            {
                name: module.eval()
                for name, module in self.modules.items()
                if any(parameter.requires_grad for parameter in module.parameters())
            }
        )
        self.trained = copy.deepcopy(self.averaged)
        self.modules.update(self.trained)
        if self.checkpointer is not None:
            self.checkpointer.add_recoverable("trained_modules", self.trained)

    def modules_of(self, stage):
        """The modules with which a stage computes.

        Arguments
        ---------
        stage : speechbrain.Stage

        Returns
        -------
        torch.nn.ModuleDict
        """
        return self.modules if stage == sb.Stage.TRAIN else self.plain_modules

    def on_stage_start(self, stage, epoch=None):
        """Begin the sums over the steps of an epoch, unless it is carried on with."""
        if stage == sb.Stage.TRAIN and self.step == 0:
            self.step_sums = torch.zeros(3, dtype=torch.float64)

    def follow_schedules(self):
        """Learning rate and margin of the batch at hand; of the first one, before it."""
        batch = (self.epoch - 1) * len(self.train_set.order.sizes()) + max(self.step, 1)
        self.learning_rate = self.hparams.lr_annealing(batch)[0]
        if hasattr(self.hparams, "margin_schedule"):
            self.hparams.compute_cost.set_margin(self.hparams.margin_schedule(batch)[0])

    def on_fit_batch_start(self, batch, should_step):
        """Learning rate and margin of the step."""
        self.batch_ids = batch.ids
        self.follow_schedules()
        sb.nnet.schedulers.update_learning_rate(self.optimizer, self.learning_rate)

    def check_loss_isfinite(self, loss):
        """Stop at the first loss that is not finite, and name the crops.

        `finite`, which tells of each crop whether its features are, is left by `compute_forward`.

        Raises
        ------
        DivergedError
        """
        if not torch.isfinite(loss):
            finite = zip(self.batch_ids, self.finite.tolist(), strict=True)
            spoilt = [key for key, is_finite in finite if not is_finite]
            named = spoilt or self.batch_ids
            advice = f"the training has diverged; lower learning_rate, now {self.learning_rate:g}"
            if spoilt:
                advice = "their features are not finite; look at these recordings"
            raise DivergedError(
                f"the loss is {loss.item()} in epoch {self.epoch}, batch {self.step}, after "
                f"{self.optimizer_step} steps, of {len(named)} crops ({', '.join(named[:NAMED])}"
                f"{', ...' if len(named) > NAMED else ''}): {advice}"
            )

    def optimizers_step(self):
        """As Brain's, which clips the first group of parameters only and drops the norm."""
        optimizer = self.optimizer
        self.scaler.unscale_(optimizer)
        parameters = [one for group in optimizer.param_groups for one in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.max_grad_norm).double()
        if self.skip_nonfinite_grads and not self.scaler.is_enabled():
            self.check_gradients()
        self.scaler.step(optimizer)
        self.scaler.update()
        optimizer.zero_grad(set_to_none=True)
        self.optimizer_step += 1
        # Steps that fp16 skips, to lower its scale, are none.
        taken, clipped = norm.isfinite(), norm > self.max_grad_norm
        sums = torch.stack([taken, norm.nan_to_num(posinf=0.0), taken & clipped])
        self.step_sums = self.step_sums.to(sums.device) + sums
        if self.ema_decay:
            self._update_average()

    @torch.no_grad()
    def _update_average(self):
        # As torch's AveragedModel with use_buffers.
        update = get_ema_multi_avg_fn(ema_decay_at(self.optimizer_step, self.ema_decay))
        trained, averaged = self.trained.state_dict(), self.averaged.state_dict()
        floating = [name for name, value in trained.items() if value.is_floating_point()]
        update([averaged[name] for name in floating], [trained[name] for name in floating], None)
        for name in trained.keys() - floating:  # counts of batch normalisation
            averaged[name].copy_(trained[name])

    def gradient_stats(self):
        """Mean norm of the gradients of the epoch so far, and the share of steps clipped."""
        taken, norms, clipped = self.step_sums.tolist()
        taken = max(taken, 1)
        return {"grad_norm": norms / taken, "clipped": clipped / taken}


def ema_decay_at(step, highest):
    """Decay of a running average that rises, so that the first weights are soon forgotten.

    Source: TensorFlow's ExponentialMovingAverage with `num_updates`.

    Arguments
    ---------
    step : int
        From 1, at which the weights are copied.
    highest : float
        What it rises to.

    Returns
    -------
    float

    Example
    -------
    >>> ema_decay_at(1, 0.999), ema_decay_at(2, 0.999), ema_decay_at(91, 0.9)
    (0.0, 0.1, 0.9)
    """
    return min(highest, (step - 1) / (step + 8))


def check_optimization(hparams, modules):
    """Check hyperparameters of which several have to go together.

    Arguments
    ---------
    hparams : SimpleNamespace
    modules : torch.nn.ModuleDict

    Raises
    ------
    RecipeError
    """
    decay = getattr(hparams, "ema_decay", 0.0)
    if not 0 <= decay < 1:
        raise RecipeError(f"ema_decay {decay}: expected 0 (no average) or more, below 1")
    norm = getattr(hparams, "max_grad_norm", 1.0)
    if not norm > 0:
        raise RecipeError(f"max_grad_norm {norm}: expected more than 0; .inf never clips")
    fitted = hasattr(getattr(modules, "embedding_model", None), "fit_norm")
    if fitted and not hasattr(modules.classifier, "weight"):
        raise RecipeError(
            "embedding_model is a WithinClassNorm, which gives the classifier the means of its "
            f"classes as weight: {type(modules.classifier).__name__} has no weight"
        )
    movable = getattr(getattr(hparams, "compute_cost", None), "make_margin", None) is not None
    if hasattr(hparams, "margin_schedule") and not movable:
        raise RecipeError(
            "margin_schedule: the margin of compute_cost is fixed; make it a "
            "speaker_models.softmax_cost.SoftmaxCost with a make_margin"
        )
    if "embedding_cost" in modules and hparams.train_order.crops_per_speaker < 2:
        raise RecipeError(
            "embedding_cost compares crops of a speaker within a batch: give --crops_per_speaker 2 "
            "or more"
        )

"""What can be wrong with a training, told in one line: before it begins, and when it diverges."""

import speechbrain as sb
import torch

from local.dataset import Batch
from local.errors import RecipeError

NAMED = 3  # utterances of a batch that a message names


class DivergedError(RecipeError):
    """The loss is not finite."""


@torch.no_grad()
def dry_run(brain: sb.Brain, num_frames: int) -> None:
    """Send a crop of silence, of so many audio samples, through a network, which it leaves alone.

    Raises
    ------
    RecipeError
        A module does not take what the one before it gives, as with another number of features.
    """
    silence = Batch(["silence"], torch.zeros(1, num_frames), torch.zeros(1, dtype=torch.long))
    brain.modules.eval()
    try:
        brain.compute_forward(silence, sb.Stage.VALID)
    except (RuntimeError, TypeError, ValueError) as error:
        raise RecipeError(
            f"the network cannot compute on a crop: {error}: check in the hparams file that each "
            "module takes what the one before it gives"
        ) from error


def check_optimization(hparams, modules: torch.nn.ModuleDict, max_grad_norm: float) -> None:
    """Check hyperparameters, the attributes of a namespace, of which several have to go together.

    SpeechBrain takes `max_grad_norm` for itself, also from the command line.

    Raises
    ------
    RecipeError
    """
    decay = getattr(hparams, "ema_decay", 0.0)
    if not 0 <= decay < 1:
        raise RecipeError(f"ema_decay {decay}: expected 0 (no average) or more, below 1")
    if not max_grad_norm > 0:
        raise RecipeError(f"max_grad_norm {max_grad_norm}: expected more than 0; .inf never clips")
    fitted = hasattr(getattr(modules, "embedding_model", None), "fit_norm")
    if fitted and not hasattr(modules.classifier, "set_means"):
        raise RecipeError(
            "embedding_model is a WithinClassNorm, which gives the classifier the means of its "
            f"speakers: {type(modules.classifier).__name__} cannot take them; make it a "
            "speaker_models.within_class_norm.MeansClassifier"
        )
    cost = getattr(hparams, "compute_cost", None)
    learns = isinstance(cost, torch.nn.Module) and any(True for _ in cost.parameters())
    if learns and "compute_cost" not in modules:
        raise RecipeError(
            "compute_cost has parameters, which are trained and saved only if it is listed in "
            "modules: add compute_cost: !ref <compute_cost> there"
        )
    movable = getattr(cost, "make_margin", None) is not None
    if hasattr(hparams, "margin_schedule") and not movable:
        raise RecipeError(
            "margin_schedule: the margin of compute_cost is fixed; make it a "
            "speaker_models.softmax_cost.SoftmaxCost with a make_margin"
        )
    least = 1
    if "embedding_cost" in modules:
        least = getattr(modules["embedding_cost"], "crops_per_speaker", 1)
    if hparams.data.order.crops_per_speaker < least:
        raise RecipeError(
            "embedding_cost compares crops of a speaker within a batch: give --crops_per_speaker "
            f"{least} or more"
        )


def check_finite(
    loss: torch.Tensor, ids: list[str], finite: torch.Tensor, where: str, learning_rate: float
) -> None:
    """Check that a loss is finite; where it is not, the message names the crops.

    Arguments
    ---------
    ids :
        Utterances of the batch.
    finite :
        Whether the features of each are, shape (batch,).
    where :
        Epoch, batch and step, for the message.

    Raises
    ------
    DivergedError
    """
    if torch.isfinite(loss):
        return
    spoilt = [key for key, is_finite in zip(ids, finite.tolist(), strict=True) if not is_finite]
    named = spoilt or ids
    advice = f"the training has diverged; lower learning_rate, now {learning_rate:g}"
    if spoilt:
        advice = "their features are not finite; look at these recordings"
    raise DivergedError(
        f"the loss is {loss.item()} in {where}, of {len(named)} crops ({', '.join(named[:NAMED])}"
        f"{', ...' if len(named) > NAMED else ''}): {advice}"
    )

"""Whether a network can compute at all, found out before its training begins."""

import speechbrain as sb
import torch

from local.dataset import Batch
from local.errors import RecipeError


@torch.no_grad()
def dry_run(brain, num_frames):
    """Send a crop of silence through the modules of a Brain, none of which it changes.

    Arguments
    ---------
    brain : ResumableBrain
    num_frames : int
        Length of the crop, in audio samples.

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

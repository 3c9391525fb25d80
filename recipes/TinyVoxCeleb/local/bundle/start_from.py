"""A training that begins with what another run has learnt.

An hparams file with `start_from` takes the modules that it names in `kept_modules` from that run:
how they are made when it is read (see `local.hparams`), and here their parameters.
"""

from pathlib import Path

import torch
from speechbrain.dataio.encoder import CategoricalEncoder
from speechbrain.utils.checkpoints import DEFAULT_LOAD_HOOKS, get_default_hook

from local.bundle.finding import check_whole, checkpoint_digest, find_bundle
from local.errors import RecipeError


def start_content(run: str) -> str:
    """A digest of the network that a run has left, from its output or inference folder.

    Raises
    ------
    RecipeError
        No trained network there.
    """
    return checkpoint_digest(_find(run))


def start_from(hparams: dict) -> None:
    """Give modules the parameters that the run `start_from` has left; without that key, none.

    To be called before the training looks for a checkpoint of its own, which replaces them.

    Raises
    ------
    RecipeError
        No trained network there, a damaged one, or none of a kept module; a classifier of other
        speakers.
    """
    if "start_from" not in hparams:
        return
    run, kept = hparams["start_from"], hparams["kept_modules"]
    bundle = _find(run)
    check_whole(bundle)
    if "classifier" in kept:
        _check_speakers(run, bundle, class_speakers(hparams))
    for name in kept:
        _load(run, name, hparams["modules"][name], bundle / f"{name}.ckpt")
        hparams["modules"][name].train()  # what was fitted after the training is void


def class_speakers(hparams: dict) -> list[str]:
    """The name of each class: a training speaker's, or one that augmentation makes of a speaker."""
    speakers = hparams["data"].speakers
    if "augmentation" in hparams["modules"]:
        return hparams["modules"]["augmentation"].labels(speakers)
    return speakers


def _find(run):
    try:
        return find_bundle(run)
    except RecipeError as error:
        raise RecipeError(f"start_from {error}") from None


def _load(run: str, name: str, module: torch.nn.Module, path: Path):
    if not path.is_file():
        if any(True for _ in module.parameters()):
            raise RecipeError(
                f"start_from {run}: no parameters of {name} in {path}: take it out of "
                "kept_modules, or start from a run that has trained it"
            )
        return
    try:
        get_default_hook(module, DEFAULT_LOAD_HOOKS)(module, path, end_of_epoch=True)
    except RuntimeError as error:  # the code of the network has changed since
        raise RecipeError(
            f"start_from {run}: {name} cannot take the parameters of {path}, the code of the "
            f"network is another now: {str(error).splitlines()[-1].strip()}"
        ) from error


def _check_speakers(run, bundle, speakers):
    encoder = CategoricalEncoder()
    encoder.load(bundle / "label_encoder.ckpt")
    theirs = [encoder.ind2lab[number] for number in range(len(encoder))]
    if theirs != speakers:
        raise RecipeError(
            f"start_from {run}: its classifier is for {len(theirs)} speakers, the training shards "
            f"have {len(speakers)}, or others, or in another order: give the run's shards, or take "
            "classifier out of kept_modules"
        )

"""A training that begins with what another run has learnt."""

import yaml
from speechbrain.dataio.encoder import CategoricalEncoder
from speechbrain.utils.checkpoints import DEFAULT_LOAD_HOOKS, get_default_hook

from local.embeddings.content import checkpoint_digest, find_bundle
from local.errors import RecipeError
from local.experiment import RECORD
from local.shards import speakers_by_class


def start_content(run):
    """A number for the network that a run has left, see `checkpoint_digest`.

    Arguments
    ---------
    run : str
        Its output folder, or its inference folder.

    Returns
    -------
    str

    Raises
    ------
    RecipeError
        No trained network there.
    """
    return checkpoint_digest(_find(run))


def start_from(hparams, experiment):
    """Give modules the parameters that the run `start_from` has left; without that key, none.

    To be called before the training looks for a checkpoint of its own, which replaces them.

    Arguments
    ---------
    hparams : dict
        Of them `start_from`; `kept_modules`, the names of those among `modules`; where these hold
        the classifier, `train_index`.
    experiment : Experiment

    Raises
    ------
    RecipeError
        No trained network there, or one whose kept modules are made in another way; a classifier
        of other speakers.
    """
    if "start_from" not in hparams:
        return
    run, kept = hparams["start_from"], hparams["kept_modules"]
    bundle = _find(run)
    if "classifier" in kept:
        speakers = speakers_by_class(hparams["train_index"])
        if "augmentation" in hparams["modules"]:
            speakers = hparams["modules"]["augmentation"].labels(speakers)
        _check_speakers(run, bundle, speakers)
    _check_same(run, kept, bundle / RECORD, experiment.text)
    for name in kept:
        module, path = hparams["modules"][name], bundle / f"{name}.ckpt"
        if not path.is_file():
            continue  # it has learnt nothing
        try:
            get_default_hook(module, DEFAULT_LOAD_HOOKS)(module, path, end_of_epoch=True)
        except RuntimeError as error:  # the code of the network has changed since
            raise RecipeError(
                f"start_from {run}: {name} cannot take the parameters of {path}, the code of the "
                f"network is another now: {str(error).splitlines()[-1].strip()}"
            ) from error


def _find(run):
    try:
        return find_bundle(run)
    except RecipeError as error:
        raise RecipeError(f"start_from {error}") from None


def _check_same(run, kept, record, text):
    """Networks of one shape may still hear different features: all settings are compared."""
    then, now = (
        dict(_settings(yaml.compose(of_run))) for of_run in (record.read_text("utf-8"), text)
    )
    for key in sorted(then.keys() | now.keys()):
        values = [settings.get(key, "not given") for settings in (then, now)]
        if key.split(".")[0] in kept and values[0] != values[1]:
            raise RecipeError(
                f"start_from {run}: {key} is {values[0]} there, {values[1]} here: give the values "
                f"of {record}"
            )


def _settings(node, name=""):
    """Each value of an hparams file with the keys that lead to it; of an object, its class too."""
    if isinstance(node, yaml.ScalarNode):
        yield name, node.value or node.tag
        return
    if isinstance(node, yaml.MappingNode):
        items = [(key.value, value) for key, value in node.value]
    elif all(isinstance(value, yaml.ScalarNode) for value in node.value):
        yield name, f"[{', '.join(value.value for value in node.value)}]"
        return
    else:
        items = enumerate(node.value)
    yield name, node.tag
    for key, value in items:
        yield from _settings(value, f"{name}.{key}".lstrip("."))


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

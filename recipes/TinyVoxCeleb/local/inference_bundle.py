"""A trained network in SpeechBrain's pretrained layout, loadable wherever SpeechBrain is.

Authors
 * The TinyVoxCeleb authors 2026
"""

import shutil
from pathlib import Path

from ruamel.yaml import YAML
from speechbrain.dataio.encoder import CategoricalEncoder

from local.atomic import atomic_folder
from local.errors import RecipeError
from local.experiment import record_experiment
from local.hparams import without_comments

NETWORK = (
    "compute_features",
    "mean_var_norm",
    "embedding_model",
    "classifier",
    "mean_var_norm_emb",
)

HEADER = """\
# Made by training. To load it:
#   EncoderClassifier.from_hparams(source=FOLDER) or SpeakerRecognition.from_hparams(source=FOLDER)
# The code of networks that are not SpeechBrain's lies beside this file. If the folder has moved,
# add overrides={"pretrained_path": FOLDER}.
pretrained_path: PRETRAINED_PATH
__code: !apply:sys.path.insert [0, !ref <pretrained_path>]

"""

FOOTER = """
modules:
LOADABLES
label_encoder: !new:speechbrain.dataio.encoder.CategoricalEncoder

pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
  loadables:
    label_encoder: !ref <label_encoder>
TRAINED"""


def write_inference_bundle(folder, experiment, checkpoint, speakers, code):
    """Write a trained network as a folder from which SpeechBrain's inference interfaces load it.

    Arguments
    ---------
    folder : str or Path
        The folder to make; an old one is replaced.
    experiment : str
        The resolved hyperparameters of the run; a record of them goes into the folder.
    checkpoint : speechbrain.utils.checkpoints.Checkpoint
        Gives the parameters.
    speakers : list of str
        The speaker of each class.
    code : str or Path
        The package of networks that the hyperparameters name; it is copied.

    Raises
    ------
    RecipeError
        If the hyperparameters lack one of the five parts of a network.
    """
    folder = Path(folder).absolute()
    yaml = YAML()
    resolved = yaml.load(without_comments(experiment))
    missing = [key for key in NETWORK if key not in resolved]
    if missing:
        raise RecipeError(f"the hparams file lacks {', '.join(missing)}: define it")
    trained = [key for key in NETWORK if key in checkpoint.paramfiles]
    with atomic_folder(folder) as target:
        with open(target / "hyperparams.yaml", "w", encoding="utf-8") as fout:
            fout.write(HEADER.replace("PRETRAINED_PATH", _quoted(folder)))
            yaml.dump({key: resolved[key] for key in NETWORK}, fout)
            footer = FOOTER.replace(
                "LOADABLES", "".join(map("  {0}: !ref <{0}>\n".format, NETWORK))
            )
            fout.write(
                footer.replace("TRAINED", "".join(map("    {0}: !ref <{0}>\n".format, trained)))
            )
        for key in trained:
            shutil.copy(checkpoint.paramfiles[key], target / f"{key}.ckpt")
        encoder = CategoricalEncoder()
        encoder.update_from_iterable(speakers)
        encoder.expect_len(len(speakers))
        encoder.save(target / "label_encoder.ckpt")
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(code, target / Path(code).name, ignore=ignore)
        record_experiment(target, experiment)


def _quoted(path):
    return "'" + str(path).replace("'", "''") + "'"

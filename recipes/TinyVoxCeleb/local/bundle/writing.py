"""A trained network in SpeechBrain's pretrained layout, loadable wherever SpeechBrain is."""

import hashlib
import io
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.comments import TaggedScalar
from speechbrain.dataio.encoder import CategoricalEncoder

from local.bundle.front_ends import copy_config
from local.errors import RecipeError
from local.experiment import record_experiment
from local.files import atomic_file, atomic_folder

NETWORK = (
    "compute_features",
    "mean_var_norm",
    "embedding_model",
    "classifier",
    "mean_var_norm_emb",
)

# Files of this recipe that stand by themselves beside the network, below local/.
VERIFIER = (
    "bundle/speaker_verifier.py",
    "bundle/windows.py",
    "scoring/backends.py",
    "scoring/decisions.py",
)

HEADER = """\
# Made by training. To load it:
#   EncoderClassifier.from_hparams(source=FOLDER) or SpeakerRecognition.from_hparams(source=FOLDER)
# or, once a threshold has been fitted, as speaker_verifier.py tells.
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
    resolved = yaml.load(experiment)
    missing = [key for key in NETWORK if key not in resolved]
    if missing:
        raise RecipeError(f"the hparams file lacks {', '.join(missing)}: define it")
    trained = [key for key in NETWORK if key in checkpoint.paramfiles]
    with atomic_folder(folder) as target:
        if "front_end_folder" in resolved:
            copy_config(resolved["front_end_folder"], target / "front_end")
            place = TaggedScalar("<pretrained_path>/front_end", tag="!ref")
            resolved["compute_features"]["source"] = place
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
        _copy_verifier(target)
        record_experiment(target, experiment)


def write_decision(folder, backend, calibration, *, threshold, p_target, c_miss, c_fa, fitted_on):
    """Leave in an inference bundle what its `SpeakerVerifier` needs to decide.

    ``decision.json`` names the file of the backend by its content, and is replaced last and at
    once: a killed call leaves the old decision whole, and no verifier meets the backend of one fit
    with the calibration of another. What is there already is not written again.

    Arguments
    ---------
    folder : str or Path
        The inference folder of a run.
    backend : Backend
    calibration : Calibration
    threshold : float
        Log-likelihood ratio from which on a trial is accepted.
    p_target, c_miss, c_fa : float
        What the threshold was chosen for.
    fitted_on : dict
        Where the calibration was fitted: lists, counts of trials; JSON holds it.

    Raises
    ------
    RecipeError
        If the folder is not an inference bundle.
    """
    folder = Path(folder)
    if not (folder / "hyperparams.yaml").is_file():
        raise RecipeError(f"{folder}: not the inference folder of a run: no hyperparams.yaml in it")
    arrays = io.BytesIO()
    np.savez(arrays, **backend.to_arrays())
    digest = hashlib.sha256(arrays.getvalue()).hexdigest()
    decision = {
        "scoring": backend.name,
        "backend": f"backend-{digest}.npz",
        "calibration": asdict(calibration),
        "threshold": threshold,
        "decision": {"p_target": p_target, "c_miss": c_miss, "c_fa": c_fa},
        "fitted_on": fitted_on,
    }
    text = json.dumps(decision, indent=2, allow_nan=False) + "\n"
    _copy_verifier(folder)  # runs of an earlier version have none, or an older one
    _write_if_new(folder / decision["backend"], arrays.getvalue())
    _write_if_new(folder / "decision.json", text.encode())
    for path in folder.glob("backend-*.npz"):
        if path.name != decision["backend"]:
            path.unlink()


def _copy_verifier(folder):
    local = Path(__file__).resolve().parents[1]
    for name in VERIFIER:
        _write_if_new(folder / Path(name).name, (local / name).read_bytes())


def _write_if_new(path, content):
    if not path.is_file() or path.read_bytes() != content:
        with atomic_file(path, "wb") as fout:
            fout.write(content)


def _quoted(path):
    return "'" + str(path).replace("'", "''") + "'"

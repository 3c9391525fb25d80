"""A trained network in SpeechBrain's pretrained layout, loadable wherever SpeechBrain is."""

import errno
import hashlib
import io
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import yaml
from speechbrain.dataio.encoder import CategoricalEncoder
from speechbrain.utils.checkpoints import Checkpoint

from local.bundle.front_ends import copy_config
from local.bundle.model_card import known_result, make_card, write_card
from local.errors import RecipeError
from local.experiment import record_experiment, record_test
from local.files import atomic_file, atomic_folder, exclusive, remove_leftovers
from local.training.checksums import content_checksum, write_checksums

NETWORK = (
    "compute_features",
    "mean_var_norm",
    "embedding_model",
    "classifier",
    "mean_var_norm_emb",
)
LOCAL = Path(__file__).resolve().parents[1]
# Files of this recipe that stand by themselves beside the network.
BACKENDS = "backend-*.npz"  # of decisions: one, but for a moment
VERIFIER = (
    LOCAL / "bundle/speaker_verifier.py",
    LOCAL / "bundle/speaker_encoder.py",
    LOCAL / "bundle/no_foreign_threshold.py",
    LOCAL / "bundle/windows.py",
    LOCAL / "training/checksums.py",
    LOCAL / "corpora/decoding.py",
    LOCAL / "corpora/polyphase.py",
    LOCAL / "corpora/speech.py",
    LOCAL / "corpora/surplus.py",
    LOCAL / "corpora/truncation.py",
    LOCAL / "scoring/backends.py",
    LOCAL / "scoring/decisions.py",
)

HYPERPARAMS = """\
# Made by training. speaker_verifier.py tells how to decide with it whether two recordings are of
# one speaker, at the threshold that was fitted to it; SpeechBrain's SpeakerRecognition, which has
# one of its own, is refused. speaker_encoder.py tells how to get embeddings of any recording; for
# its layers there is EncoderClassifier.from_hparams(source=FOLDER), which guards against nothing.
# The code of networks that are not SpeechBrain's lies beside this file. If the folder has moved,
# add overrides={{"pretrained_path": FOLDER}}.
pretrained_path: {folder}
__code: !apply:sys.path.insert [0, !ref <pretrained_path>]
__decisions: !apply:no_foreign_threshold.refuse_speaker_recognition []
audio_normalizer: !name:polyphase.to_16khz
{level}
{network}
modules:
{modules}
label_encoder: !new:speechbrain.dataio.encoder.CategoricalEncoder

pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
  loadables:
    label_encoder: !ref <label_encoder>
{trained}"""


def write_inference_bundle(
    folder: str | Path,
    experiment: str,
    checkpoint: Checkpoint,
    speakers: list[str],
    code: str | Path,
    modules: Mapping[str, torch.nn.Module],
    speech_level: float | None = None,
) -> None:
    """Write a trained network as a folder from which SpeechBrain's inference interfaces load it.

    Arguments
    ---------
    folder
        The folder to make; an old one is replaced.
    experiment
        The resolved hyperparameters of the run; a record of them goes into the folder.
    checkpoint
        Gives the parameters.
    speakers
        The speaker of each class.
    code
        The package of networks that the hyperparameters name; it is copied.
    modules
        By name, what the hyperparameters have made: the parts of the network, and others.
    speech_level
        Of the training data, in dB relative to full scale, to which the verifier brings recordings.

    Raises
    ------
    RecipeError
        The hyperparameters lack one of the five parts of a network; see also `check_saved`.
    """
    folder = Path(folder).absolute()
    nodes = {key.value: value for key, value in yaml.compose(experiment).value}
    missing = [key for key in NETWORK if key not in nodes]
    if missing:
        raise RecipeError(f"the hparams file lacks {', '.join(missing)}: define it")
    check_saved({key: modules[key] for key in NETWORK}, checkpoint.paramfiles)
    trained = [key for key in NETWORK if key in checkpoint.paramfiles]
    with atomic_folder(folder) as target:
        if "front_end_folder" in nodes:
            copy_config(nodes["front_end_folder"].value, target / "front_end")
            place = yaml.ScalarNode("!ref", "<pretrained_path>/front_end")
            _replace(nodes["compute_features"], "source", place)
        text = HYPERPARAMS.format(
            folder=_quoted(folder),
            level="" if speech_level is None else f"speech_level: {speech_level}\n",
            network=_to_yaml({key: nodes[key] for key in NETWORK}),
            modules="".join(f"  {key}: !ref <{key}>\n" for key in NETWORK),
            trained="".join(f"    {key}: !ref <{key}>\n" for key in trained),
        )
        (target / "hyperparams.yaml").write_text(text, encoding="utf-8")
        for key in trained:
            shutil.copy(checkpoint.paramfiles[key], target / f"{key}.ckpt")
        encoder = CategoricalEncoder()
        encoder.update_from_iterable(speakers)
        encoder.expect_len(len(speakers))
        encoder.save(target / "label_encoder.ckpt")
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(code, target / Path(code).name, ignore=ignore)
        for path in VERIFIER:
            shutil.copy(path, target)
        record_experiment(target, experiment)
        write_checksums(target, "*.ckpt")
        write_card(target)


def leave_result(folder: str | Path, result: str) -> None:
    """Leave the result of its test in the card of a run's network, and complete the run with it."""
    write_card(Path(folder) / "inference", result)
    record_test(folder, result)


def check_saved(modules: Mapping[str, torch.nn.Module], saved: Iterable[str]) -> None:
    """Check that the parameters of all modules that have some are saved, under the same names.

    Whoever loads a network without those of a module would get random ones and no error.

    Raises
    ------
    RecipeError
        They are not.
    """
    trained = {name for name, module in modules.items() if list(module.parameters())}
    if absent := sorted(trained.difference(saved)):
        raise RecipeError(
            f"{', '.join(absent)}: has parameters, but the checkpoint holds none of them, and "
            "random ones would take their place: name it among the modules of the hparams file, "
            "so that checkpoints hold it, and train anew"
        )


def write_decision(folder, backend, calibration, *, threshold, p_target, c_miss, c_fa, fitted_on):
    """Leave in an inference bundle what its `SpeakerVerifier` needs to decide.

    ``decision.json`` names the file of the backend by its content, and is replaced last and at
    once: a killed call leaves the old decision whole, and no verifier meets the backend of one fit
    with the calibration of another. What is there already is not written again. Of two processes
    that decide at once, one waits, as it would remove the other's backend.

    Arguments
    ---------
    folder : str or Path
        The inference bundle; a RecipeError if it is none.
    backend : Backend
    calibration : Calibration
    threshold : float
        Log-likelihood ratio from which on a trial is accepted.
    p_target, c_miss, c_fa : float
        What the threshold was chosen for.
    fitted_on : dict
        Where the calibration was fitted: lists, counts of trials; JSON holds it.
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
    decision["checksum"] = content_checksum(decision)
    text = json.dumps(decision, indent=2, allow_nan=False) + "\n"
    contents = {path.name: path.read_bytes() for path in VERIFIER}  # a former run's may be older
    contents |= {decision["backend"]: arrays.getvalue(), "decision.json": text.encode()}
    contents |= make_card(folder, known_result(folder), decision)
    remove_leftovers(folder)
    there = all(_is_there(folder / name, content) for name, content in contents.items())
    lock = folder / ".decision.lock"
    if there and len(list(folder.glob(BACKENDS))) == 1 and not lock.exists():
        return  # also where the folder can only be read
    try:
        with exclusive(lock):
            for name, content in contents.items():
                _write_if_new(folder / name, content)
            for path in folder.glob(BACKENDS):
                if path.name != decision["backend"]:
                    path.unlink()
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        raise RecipeError(
            f"{folder}: the threshold cannot be left there ({error.strerror}): make it writable, "
            "or give --update_verifier False"
        ) from None


def _is_there(path, content):
    return path.is_file() and path.read_bytes() == content


def _write_if_new(path, content):
    if not _is_there(path, content):
        with atomic_file(path, "wb") as fout:
            fout.write(content)


def _replace(mapping, key, value):
    """Put another value under a key of a YAML mapping."""
    mapping.value = [(name, value if name.value == key else old) for name, old in mapping.value]


def _to_yaml(nodes):
    """The YAML text of keys with their nodes, which have tags but no comments."""
    items = [(yaml.ScalarNode("tag:yaml.org,2002:str", key), node) for key, node in nodes.items()]
    mapping = yaml.MappingNode("tag:yaml.org,2002:map", items)
    return yaml.serialize(mapping, allow_unicode=True)


def _quoted(path):
    return "'" + str(path).replace("'", "''") + "'"

"""What an exported network tells of itself, in the metadata of its file."""

import base64
import hashlib
import json
from pathlib import Path

from speechbrain.dataio.encoder import CategoricalEncoder

from local.errors import RecipeError
from local.experiment import read_record
from local.hparams import RECORD, plain_values
from local.layout import SAMPLE_RATE
from local.training.checksums import content_checksum

UNKNOWN_LICENCE = "not stated"
DECISION = ("scoring", "calibration", "threshold", "decision", "fitted_on")


def describe(bundle: Path, encoder, dimension: int, licence: str) -> dict[str, str]:
    """The metadata of a network, all of it texts; what is not known is not there.

    `threshold`, `calibration`, `scoring`, `decision` and `fitted_on` are JSON, as decision.json of
    the bundle has them, and `backend` its npz file in base64, so that one file holds all that a
    decision needs.

    Raises
    ------
    RecipeError
        A damaged decision.json or backend.
    """
    level = getattr(encoder.hparams, "speech_level", None)
    speakers = CategoricalEncoder()
    speakers.load(bundle / "label_encoder.ckpt")
    content = plain_values(read_record(bundle / RECORD)).get("train_content")
    told = {
        "framework": "TinyVoxCeleb",
        "sampling_rate": str(SAMPLE_RATE),
        "dimension": str(dimension),
        "licence": licence,
        "training_data": ", ".join(filter(None, [f"{len(speakers)} speakers", content])),
    }
    if level is not None:
        told["speech_level"] = str(level)
    return told | _decision(bundle)


def _decision(bundle):
    """How to score and where to decide, if that has been fitted."""
    path = bundle / "decision.json"
    if not path.is_file():
        return {}
    try:
        decision = json.loads(path.read_bytes())
        if "checksum" in decision and decision["checksum"] != content_checksum(decision):
            raise ValueError("its checksum is that of another content")
        backend = path.with_name(decision["backend"]).read_bytes()
        if hashlib.sha256(backend).hexdigest() not in decision["backend"]:
            raise ValueError(f"{decision['backend']} has another content than its name tells")
        told = {key: json.dumps(decision[key]) for key in DECISION}
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise RecipeError(f"{path}: damaged ({error!a:.200}); fit it anew") from error
    return told | {"backend": base64.b64encode(backend).decode()}

"""Self-supervised front ends: their folders, downloaded once, and what a bundle keeps of them.

Outside the rules of a closed track, as they have been trained on other speech.
"""

import importlib.util
import json
import shutil
from pathlib import Path

from huggingface_hub import snapshot_download

from local.errors import RecipeError

CONFIG, SIGNALS = "config.json", "preprocessor_config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")


def fetch_front_end(source: str, cache: str) -> str:
    """The folder of a model in Hugging Face's layout; by name, it is downloaded once.

    `source` is a folder, or the name of a model on the Hugging Face hub; those that have a name
    are kept in `cache`.

    Raises
    ------
    RecipeError
        No such folder or model; no connection; one without parameters; the package transformers is
        not installed.
    """
    if importlib.util.find_spec("transformers") is None:
        raise RecipeError(
            "front_end: the package transformers is not installed; pip install transformers==5.23.0"
        )
    folder = source
    if not Path(source).is_dir():
        try:
            patterns = [CONFIG, SIGNALS, *WEIGHTS]
            folder = snapshot_download(source, cache_dir=cache, allow_patterns=patterns)
        except (OSError, ValueError) as error:  # no connection or no such model; no such name
            raise RecipeError(
                f"front_end {source}: neither a folder here, nor in {cache}, nor to be had from "
                f"the Hugging Face hub ({str(error).splitlines()[0]}); give the folder of a model"
            ) from None
    missing = [name for name in (CONFIG, SIGNALS) if not Path(folder, name).is_file()]
    if not any(Path(folder, name).is_file() for name in WEIGHTS):
        missing.append(" or ".join(WEIGHTS))
    if missing:
        raise RecipeError(
            f"front_end {source}: {folder} lacks {', '.join(missing)}; expected what "
            "save_pretrained writes of a model and its feature extractor"
        )
    return str(folder)


def front_end_size(folder: str) -> int:
    """Features a frame, as the configuration of a model tells."""
    return json.loads(Path(folder, CONFIG).read_text(encoding="utf-8"))["hidden_size"]


def copy_config(folder: str, target: Path) -> None:
    """Copy what a front end is made from, without its parameters, to a new folder."""
    target.mkdir()
    for name in (CONFIG, SIGNALS):
        shutil.copy(Path(folder, name), target)

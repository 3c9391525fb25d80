"""Where a run has left its trained network, and the digest by which that network is known."""

import hashlib
from pathlib import Path

from local.errors import RecipeError
from local.stored import is_damaged
from local.training.checksums import find_damaged


def find_bundle(checkpoint: str | Path) -> Path:
    """The inference bundle of a run: the folder that holds its trained network.

    `checkpoint` is the output folder of the run, or the bundle itself. A RecipeError tells where
    there is none.
    """
    for folder in (Path(checkpoint) / "inference", Path(checkpoint)):
        if (folder / "label_encoder.ckpt").is_file():
            return folder.absolute()
    if "://" in str(checkpoint):
        raise RecipeError(f"{checkpoint}: an address: expected the path of a run's folder here")
    raise RecipeError(
        f"{checkpoint}: no trained network here: expected the output folder of a complete run, "
        "with inference/ in it; run the training to its end"
    )


def check_whole(bundle: Path) -> None:
    """Check that no file of a trained network is damaged: torch would load zeros without a word.

    Raises
    ------
    RecipeError
        One is empty, cut short, or has another content than was written, as after a power cut.
    """
    name = find_damaged(bundle) or "hyperparams.yaml" * is_damaged(bundle / "hyperparams.yaml")
    if name:
        raise RecipeError(
            f"{bundle / name}: empty or damaged: run the training once more, which makes it anew "
            "from its checkpoints, or copy the network again"
        )


def checkpoint_digest(bundle: Path) -> str:
    """SHA-256 of a trained network: of its parameters, its hyperparameters and its code.

    The line of hyperparams.yaml that tells where the bundle lies is left out, so that a run that
    was moved keeps its digest.
    """
    total = hashlib.sha256()
    # The code in subfolders is the network's; that beside them verifies, and embeds nothing.
    files = [*bundle.glob("*.ckpt"), *bundle.glob("*/**/*.py"), bundle / "hyperparams.yaml"]
    for path in sorted(files, key=lambda path: path.relative_to(bundle).as_posix()):
        content = path.read_bytes()
        if path.suffix == ".yaml":
            lines = content.splitlines()
            content = b"\n".join(line for line in lines if not line.startswith(b"pretrained_path:"))
        name = path.relative_to(bundle).as_posix()
        total.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
    return total.hexdigest()

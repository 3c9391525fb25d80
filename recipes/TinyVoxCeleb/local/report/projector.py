"""Embeddings for TensorBoard's projector."""

from pathlib import Path

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from local.errors import RecipeError
from local.files import atomic_folder
from local.report.projection import choose

MOST_POINTS = 5000  # what the projector turns around smoothly in a browser


def export_projector(embeddings, folder, seed=0):
    """Write embeddings with their ids and speakers for ``tensorboard --logdir``.

    Arguments
    ---------
    embeddings : Embeddings
        Of which `ids` and `vectors` are used; some 5,000 of them are drawn at random where there
        are more.
    folder : str or Path
        Made anew: an export that was there is replaced.
    seed : int
        Of the draw.

    Returns
    -------
    int
        How many embeddings were written.

    Raises
    ------
    RecipeError
        The folder holds something else.
    """
    folder = Path(folder).absolute()
    earlier = (folder / "projector_config.pbtxt").is_file()
    if folder.exists() and not earlier and (not folder.is_dir() or any(folder.iterdir())):
        raise RecipeError(
            f"{folder}: holds something else than an earlier export, which would be lost: name a "
            "folder that is new or empty"
        )
    rows = choose(len(embeddings.ids), MOST_POINTS, seed)
    # The projector's table has a line a row and a tab between cells.
    names = [" ".join(embeddings.ids[row].split()) for row in rows]
    speakers = [name.split("/")[0] if "/" in name else "unknown" for name in names]
    with atomic_folder(folder) as new, SummaryWriter(str(new)) as writer:
        writer.add_embedding(
            np.asarray(embeddings.vectors)[rows],
            metadata=list(zip(names, speakers, strict=True)),
            metadata_header=["id", "speaker"],
            tag="embeddings",
        )
    return len(rows)

"""Embeddings in two dimensions: a map on the page, and what TensorBoard's projector shows."""

import itertools
from pathlib import Path

import numpy as np
from markupsafe import Markup
from sklearn.manifold import TSNE
from torch.utils.tensorboard import SummaryWriter

from local.embeddings import Embeddings
from local.errors import RecipeError
from local.files import atomic_folder
from local.layout import utterance_key
from local.report.pictures import COLOURS, legend_above, picture
from local.report.runs import ScoredRun
from local.scoring.utterances import find_utterances

MOST_ON_MAP = 1000
MOST_IN_PROJECTOR = 5000  # what it turns around smoothly in a browser
MARKERS = "osD^vP*X"
MOST_NAMES = 12  # a longer legend would be larger than the map


def choose(num_rows: int, most: int) -> np.ndarray:
    """Rising row numbers, drawn at random, by one seed, where there are more rows than `most`.

    Example
    -------
    >>> len(choose(10, 4)), choose(3, 4).tolist()
    (4, [0, 1, 2])
    """
    if num_rows <= most:
        return np.arange(num_rows)
    return np.sort(np.random.default_rng(0).choice(num_rows, most, replace=False))


def flatten(vectors: np.ndarray) -> np.ndarray:
    """Lay vectors out in two dimensions by t-SNE [1] on cosine distances.

    They are of shape (utterances, dim), at least three utterances; the result (utterances, 2).

    References
    ----------
    [1] L. van der Maaten and G. Hinton, "Visualizing data using t-SNE", JMLR 2008.
    """
    perplexity = min(30, (len(vectors) - 1) / 3)
    tsne = TSNE(metric="cosine", perplexity=perplexity, random_state=0, init="pca")
    return tsne.fit_transform(np.asarray(vectors, dtype=np.float32))


def speaker_map(name: str, ids: list[str], vectors: np.ndarray) -> tuple[Markup, list[str]]:
    """Draw utterances near each other whose embeddings are alike, in the colours of their speakers.

    Those without a speaker in their id are drawn as of one unknown speaker. At least three. Gives
    the picture, and the ids in the order of its points: <use> elements in groups whose ids begin
    with the name and "-points".
    """
    points = flatten(vectors)
    speakers = np.array([key.split("/")[0] if "/" in key else "" for key in ids])
    names = np.unique(speakers)
    # Colours alone do not tell many speakers apart: the marker changes with each round of them.
    looks = itertools.cycle(itertools.product(MARKERS, COLOURS))

    def draw(figure):
        axes = figure.add_subplot(xticks=[], yticks=[])
        axes.spines[:].set_visible(True)
        for number, (speaker, (marker, colour)) in enumerate(zip(names, looks, strict=False)):
            axes.plot(
                *points[speakers == speaker].T,
                marker,
                gid=f"points{number}",
                color=colour,
                markersize=4.5,
                alpha=0.75,
                markeredgewidth=0,
                label=speaker,
            )
        if rows:
            legend_above(figure, axes, ncols=columns, columnspacing=1)

    columns = max(1, min(4, 44 // (6 + max(map(len, names)))))
    rows = -(-len(names) // columns) if 1 < len(names) <= MOST_NAMES else 0
    title = f"Map of {len(ids)} embeddings of {len(names)} speakers"
    order = np.argsort(speakers, kind="stable")
    svg = picture(name, title, draw, height=3.7 + 0.17 * rows)
    return svg, [ids[row] for row in order]


def map_section(name: str, run: ScoredRun) -> dict:
    """What the page shows of the embeddings of the first list with labels, or of all without one.

    "svg", the picture of the name given, is None where there is nothing to draw; "points" are the
    utterances of its points, see `speaker_map`.
    """
    section = {"id": name, "label": run.label, "svg": None, "points": []}
    section |= {"shown": 0, "total": 0, "list": None}
    embeddings = run.embeddings
    if embeddings is None:
        return section
    rows = range(len(embeddings.ids))
    for scored in run.lists:
        if scored.result.evaluation is not None:
            trials = find_utterances(scored.trials, embeddings.ids)
            wanted = set(map(utterance_key, trials.named()))
            rows = [row for row in rows if utterance_key(embeddings.ids[row]) in wanted]
            section["list"] = scored.result.name
            break
    section["total"] = len(rows)
    drawn = np.array(rows, dtype=int)[choose(len(rows), MOST_ON_MAP)]
    if len(drawn) >= 3:
        ids = [embeddings.ids[row] for row in drawn]
        section["svg"], section["points"] = speaker_map(name, ids, embeddings.vectors[drawn])
        section["shown"] = len(drawn)
        section["speakers"] = len({key.split("/")[0] for key in ids if "/" in key})
    return section


def export_projector(embeddings: Embeddings, folder: str | Path) -> int:
    """Write embeddings with their ids and speakers for ``tensorboard --logdir``.

    Where there are more than some 5,000, that many are drawn at random. An earlier export in the
    folder is replaced. Returns how many were written.

    Raises
    ------
    RecipeError
        The folder holds something else.
    """
    folder = Path(folder).absolute()
    rows = choose(len(embeddings.ids), MOST_IN_PROJECTOR)
    # The projector's table has a line a row and a tab between cells.
    names = [" ".join(embeddings.ids[row].split()) for row in rows]
    speakers = [name.split("/")[0] if "/" in name else "unknown" for name in names]
    with atomic_folder(folder) as new:
        _check_replaceable(folder)  # here, as no other process replaces it now
        with SummaryWriter(str(new)) as writer:
            writer.add_embedding(
                np.asarray(embeddings.vectors)[rows],
                metadata=list(zip(names, speakers, strict=True)),
                metadata_header=["id", "speaker"],
                tag="embeddings",
            )
    return len(rows)


def _check_replaceable(folder):
    earlier = (folder / "projector_config.pbtxt").is_file()
    if folder.exists() and not earlier and (not folder.is_dir() or any(folder.iterdir())):
        raise RecipeError(
            f"{folder}: holds something else than an earlier export, which would be lost: name a "
            "folder that is new or empty"
        )

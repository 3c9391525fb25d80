"""A map of embeddings in two dimensions."""

import itertools

import numpy as np
from sklearn.manifold import TSNE

from local.report.pictures import COLOURS, legend_above, picture

MOST_POINTS = 1000
MARKERS = "osD^vP*X"
MOST_NAMES = 12  # a longer legend would be larger than the map


def choose(num_rows, most, seed=0):
    """Rows drawn at random where there are more than enough.

    Arguments
    ---------
    num_rows, most, seed : int

    Returns
    -------
    numpy.ndarray
        Rising row numbers, min(num_rows, most) of them.

    Example
    -------
    >>> len(choose(10, 4)), choose(3, 4).tolist()
    (4, [0, 1, 2])
    """
    if num_rows <= most:
        return np.arange(num_rows)
    return np.sort(np.random.default_rng(seed).choice(num_rows, most, replace=False))


def flatten(vectors, seed=0):
    """Lay vectors out in two dimensions by t-SNE on cosine distances [1].

    Arguments
    ---------
    vectors : numpy.ndarray
        Shape (utterances, dim), at least three utterances.
    seed : int

    Returns
    -------
    numpy.ndarray
        Shape (utterances, 2).

    References
    ----------
    [1] L. van der Maaten and G. Hinton, "Visualizing data using t-SNE", JMLR 2008.
    """
    perplexity = min(30, (len(vectors) - 1) / 3)
    tsne = TSNE(metric="cosine", perplexity=perplexity, random_state=seed, init="pca")
    return tsne.fit_transform(np.asarray(vectors, dtype=np.float32))


def speaker_map(name, ids, vectors, seed=0):
    """Draw utterances near each other whose embeddings are alike.

    Arguments
    ---------
    name : str
        Of the picture.
    ids : list of str
        "speaker/session/utterance"; others are drawn as of one unknown speaker.
    vectors : numpy.ndarray
        Shape (utterances, dim), at least three utterances.
    seed : int

    Returns
    -------
    markupsafe.Markup
    """
    points = flatten(vectors, seed)
    speakers = np.array([name.split("/")[0] if "/" in name else "" for name in ids])
    names = np.unique(speakers)
    # Colours alone do not tell many speakers apart: the marker changes with each round of them.
    looks = itertools.cycle(itertools.product(MARKERS, COLOURS))

    def draw(figure):
        axes = figure.add_subplot(xticks=[], yticks=[])
        axes.spines[:].set_visible(True)
        for speaker, (marker, colour) in zip(names, looks, strict=False):
            axes.plot(
                *points[speakers == speaker].T,
                marker,
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
    return picture(name, title, draw, height=3.7 + 0.17 * rows)

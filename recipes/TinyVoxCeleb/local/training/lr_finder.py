"""Find a learning rate by a short training in which it rises from batch to batch.

Smith, "Cyclical learning rates for training neural networks", WACV 2017, section 3.3.
"""

import csv
import itertools
from pathlib import Path

import numpy as np
import speechbrain as sb
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from local.dataset import BatchLoader
from local.errors import RecipeError
from local.files import atomic_file
from local.training.checks import DivergedError, dry_run
from local.training.resumable_brain import ResumableBrain
from local.training.schedules import Exponential

LOWEST, HIGHEST, BATCHES = 1e-5, 1.0, 100
MEMORY = 0.8  # share that the mean of the losses keeps of itself, a batch
WORSE = 4  # times the least mean so far: the training has diverged


def rising_rates(brain: ResumableBrain, loader: BatchLoader) -> tuple[np.ndarray, np.ndarray]:
    """Train a network while its learning rate rises, until the loss does.

    The brain has no checkpointer, so that nothing is saved; its `lr_annealing` is replaced. Gives
    learning rates, and losses averaged over the batches so far, both of shape (batches,).
    """
    brain.hparams.lr_annealing = Exponential(LOWEST, HIGHEST, BATCHES)
    brain.noprogressbar = True
    brain.train_set = loader
    dry_run(brain, brain.hparams.audio_length_num_frames)
    brain.on_fit_start()
    rates, losses = [], []
    for batch in itertools.islice(_batches(brain, loader), BATCHES):
        try:
            losses.append(brain.fit_batch(batch).item())
        except DivergedError:
            break
        rates.append(brain.learning_rate)
        means = running_mean(losses)
        if means[-1] > WORSE * means.min():
            break
    return np.array(rates), running_mean(losses)


def _batches(brain, loader):
    for epoch in itertools.count(1):
        brain.step = 0
        brain.on_stage_start(sb.Stage.TRAIN, epoch)
        brain.modules.train()
        for batch in loader:
            brain.step += 1
            yield batch


def running_mean(losses: list[float]) -> np.ndarray:
    """Exponential mean of the losses up to each, without the bias of its beginning.

    Example
    -------
    >>> running_mean([1.0, 1.0, 0.0]).round(2).tolist()
    [1.0, 1.0, 0.59]
    """
    ages = np.subtract.outer(np.arange(len(losses)), np.arange(len(losses)))
    weights = np.where(ages >= 0, MEMORY ** np.maximum(ages, 0), 0.0)
    return weights @ np.asarray(losses) / weights.sum(axis=1)


def suggest(rates: np.ndarray, losses: np.ndarray) -> float:
    """A tenth of the learning rate at which the loss is at its least, as fastai's `minimum`.

    It takes what `rising_rates` gives.

    Raises
    ------
    RecipeError
        The loss did not fall.
    """
    if len(losses) < 2 or losses.argmin() == 0:
        raise RecipeError(
            f"the loss does not fall from a learning rate of {LOWEST:g} on: check the data and the "
            "loss"
        )
    return float(rates[losses.argmin()]) / 10


def write_curve(
    folder: str | Path, rates: np.ndarray, losses: np.ndarray, suggestion: float
) -> None:
    """Write ``lr_finder.csv`` and ``lr_finder.png``, of learning rates and losses (batches,)."""
    folder = Path(folder)
    with atomic_file(folder / "lr_finder.csv") as fout:
        writer = csv.writer(fout, lineterminator="\n")
        writer.writerow(["learning_rate", "loss"])
        writer.writerows(zip(rates.tolist(), losses.tolist(), strict=True))
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="learning rate", ylabel="loss, running mean", xscale="log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.plot(rates, losses)
    axes.axvline(suggestion, linestyle="--", color="grey", label=f"{suggestion:.2g}")
    axes.legend(title="suggestion")
    with atomic_file(folder / "lr_finder.png", "wb") as fout:
        FigureCanvasAgg(figure).print_png(fout)

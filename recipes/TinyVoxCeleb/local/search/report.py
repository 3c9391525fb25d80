"""What a study has found: a table of its trials, and pictures."""

import csv
import shlex
import warnings

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator, PercentFormatter
from optuna.trial import TrialState
from optuna.visualization.matplotlib import (
    plot_optimization_history,
    plot_param_importances,
    plot_slice,
)

from local.errors import RecipeError
from local.experiment import RECORD
from local.files import atomic_file
from local.search.space import options
from local.search.study import COMMAND, open_study


def write_report(folder):
    """Write trials.md, trials.csv and pictures of the trials as PNG into the folder of a study.

    Arguments
    ---------
    folder : Path

    Returns
    -------
    str
        The best trial, and the command that trains it; or that there is none yet.

    Raises
    ------
    RecipeError
        There is no study.
    """
    if not (folder / RECORD).is_file():
        raise RecipeError(f"--study_folder {folder}: no study there; start the search first")
    study = open_study(folder)
    trials = study.get_trials()
    rows = [_row(trial) for trial in trials]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with atomic_file(folder / "trials.csv") as fout:
        writer = csv.DictWriter(fout, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    best = _best(trials)
    found = f"{folder}: no complete trial yet"
    if best is not None:
        words = ["python", "train_speaker_embeddings.py", *study.user_attrs[COMMAND]]
        words += [*options(best.params), "--output_folder", str(folder / "best")]
        found = f"best: trial {best.number}, val EER {best.value:.2%}\n> {shlex.join(words)}"
        _draw(study, folder)
    with atomic_file(folder / "trials.md") as fout:
        fout.write(f"{found}\n\n| {' | '.join(columns)} |\n|{' --- |' * len(columns)}\n")
        for trial in sorted(trials, key=_rank):
            row = rows[trial.number]
            fout.write(f"| {' | '.join(str(row.get(key, '')) for key in columns)} |\n")
    return found


def progress(study, number):
    """One line on a trial that has just ended.

    Arguments
    ---------
    study : optuna.study.Study
    number : int
        Of the trial.

    Returns
    -------
    str
    """
    trials = study.get_trials()
    row, best = _row(trials[number]), _best(trials)
    words = [f"{row['state']} after {row['epochs']} epochs"]
    if row["val EER (%)"]:
        words.append(f"val EER {row['val EER (%)']}%")
    if best:
        words.append(f"best {best.value:.2%} (trial {best.number})")
    return f"{', '.join(words)}: {shlex.join(options(trials[number].params))}"


def _best(trials):
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return min(complete, key=lambda trial: trial.value, default=None)


def _rank(trial):
    """The best first; then the pruned ones, those that are not done, and those that failed."""
    order = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING, TrialState.FAIL)
    eer = _val_eer(trial)
    return order.index(trial.state), 1 if eer is None else eer


def _val_eer(trial):
    """Of what was tested, or of the best epoch where nothing was; None before the first."""
    if trial.state == TrialState.COMPLETE:
        return trial.value
    return min(trial.intermediate_values.values(), default=None)


def _row(trial):
    eers, eer = trial.intermediate_values, _val_eer(trial)
    words = options(trial.params)
    return {
        "trial": trial.number,
        "state": trial.user_attrs.get("why", trial.state.name.lower()),
        "val EER (%)": "" if eer is None else f"{100 * eer:.2f}",
        "best epoch": min(eers, key=eers.get) if eers else "",
        "epochs": len(eers),
        **dict(zip([word[2:] for word in words[::2]], words[1::2], strict=True)),
    }


def _draw(study, folder):
    plt.switch_backend("agg")  # files, on machines with and without a screen
    with warnings.catch_warnings(), plt.rc_context():
        warnings.simplefilter("ignore")  # Optuna may change these pictures
        history = plot_optimization_history(study, target_name="val EER")
        history.yaxis.set_major_formatter(PercentFormatter(1))
        _save(history, folder / "history.png")
        slices = np.ravel(plot_slice(study, target_name="val EER"))
        slices[0].yaxis.set_major_formatter(PercentFormatter(1))
        for axes in slices:
            axes.tick_params(axis="x", labelrotation=90)
            if axes.get_xscale() == "log":
                axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
                axes.xaxis.set_major_formatter("{x:g}")
                axes.minorticks_off()
        slices[0].figure.set_size_inches(2 + 2.5 * len(slices), 5)
        _save(slices[0], folder / "slices.png")
        if (
            len(np.unique([t.value for t in study.get_trials() if t.state == TrialState.COMPLETE]))
            > 1
        ):
            importances = plot_param_importances(study, target_name="val EER")
            importances.get_legend().remove()
            _save(importances, folder / "importances.png")


def _save(axes, path):
    with atomic_file(path, "wb") as fout:
        axes.figure.savefig(fout, format="png", dpi=120, bbox_inches="tight")
    plt.close(axes.figure)

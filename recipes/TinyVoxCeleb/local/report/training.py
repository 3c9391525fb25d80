"""Pictures of the training: what the log of each epoch says."""

import numpy as np
from markupsafe import Markup

from local.report.pictures import COLOURS, legend_above, picture

# What is drawn, its axis and scale, whether the axis may be logarithmic, and what to say of it.
CURVES = (
    ("loss", "loss", 1, True, "Loss on the training crops and on the validation utterances."),
    ("accuracy", "accuracy (%)", 100, False, "Speakers recognised among those of the training."),
    ("eer", "val EER (%)", 100, False, "EER of the validation trials: it chooses the checkpoint."),
)
STYLES = {"train": "-", "valid": "--"}


def training_pictures(
    name: str, logs: dict[str, dict[str, np.ndarray]]
) -> list[tuple[Markup, str]]:
    """Draw loss, accuracy and val EER over the epochs, with captions.

    The logs have columns, see `read_train_log`, by the label of the run; what no log tells of is
    left out. The names of the pictures begin with that given.
    """
    pictures = []
    for what, title, scale, logarithmic, caption in CURVES:
        lines = [
            (label, number, data, log["epoch"], log[f"{data}_{what}"] * scale)
            for number, (label, log) in enumerate(logs.items())
            for data in STYLES
            if "epoch" in log and f"{data}_{what}" in log
        ]
        if not lines:
            continue

        def draw(figure, lines=lines, title=title, logarithmic=logarithmic):
            axes = figure.add_subplot(xlabel="epoch", ylabel=title)
            for label, number, data, epochs, values in lines:
                line = data if len(logs) == 1 else f"{label}, {data}"
                colour = COLOURS[number % len(COLOURS)]
                # A run of one epoch is a point, which a line without markers would not show.
                marker = "o" if len(epochs) < 3 else None
                axes.plot(epochs, values, STYLES[data], color=colour, marker=marker, label=line)
            everything = np.concatenate([values for *_, values in lines])
            low, high = np.nanmin(everything), np.nanmax(everything)
            if logarithmic and 0 < low < high / 30:
                axes.set_yscale("log")
                axes.yaxis.set_major_formatter("{x:g}")
                axes.minorticks_off()
            else:
                axes.set_ylim(bottom=0)
            axes.xaxis.get_major_locator().set_params(integer=True)
            if len(lines) > 1:
                legend_above(figure, axes, ncols=2 if len(logs) == 1 else 1)

        rows = (len(lines) > 1) if len(logs) == 1 else len(lines)
        svg = picture(f"{name}-{what}", f"Training: {title}", draw, height=2.8 + 0.17 * rows)
        pictures.append((svg, caption))
    return pictures

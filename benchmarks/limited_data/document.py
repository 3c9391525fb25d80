"""The tables and plots of docs/results.md."""

import re

import matplotlib.pyplot as plt

from benchmarks.limited_data.lists import LISTS
from benchmarks.limited_data.rows import column, mean
from local.files import atomic_file

GOALS = (38, 28, 20)  # EER on -channels: of the prototype, SpeechBrain's settings, and better


def write_document(path, tables):
    """Put the tables between their marks in the document, and draw the plots beside it.

    The marks are lines ``<!-- table NAME -->`` and ``<!-- end -->``. A table, by its name, has
    pairs of an Experiment and its rows; costs are those of the networks.
    """
    text = path.read_text(encoding="utf-8")
    parts = {name: _table(name, measured) for name, measured in tables.items()}
    parts |= {"costs": _costs(tables["networks"]), "reached": _reached(tables["time"])}
    for name, lines in parts.items():
        lines = "\n".join(lines)
        marks = re.compile(rf"(<!-- table {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = marks.sub(lambda match, lines=lines: f"{match[1]}\n{lines}\n\n{match[2]}", text)
    with atomic_file(path) as fout:
        fout.write(text)
    plots = {"ablation": _plot_ablation, "speakers": _plot_speakers, "time": _plot_time}
    for name, plot in plots.items():
        if any(rows for _, rows in tables[name]):
            plot(path.with_name(f"{name}.png"), tables[name])


def _table(name, measured):
    first = "training speakers" if name == "speakers" else "recipe"
    lists = " | ".join(one.title for one in LISTS.values())
    yield f"| {first} | choice | {lists} | CPU min |"
    yield f"|---|{'---|' * (len(LISTS) + 2)}"
    for experiment, rows in measured:
        if rows:
            cells = [experiment.name, _seeds(rows, "choice"), *(_eer(rows, key) for key in LISTS)]
            yield f"| {' | '.join(cells)} | {mean(rows, 'cpu_minutes'):.1f} |"
    yield ""
    yield _commits(measured)


def _costs(measured):
    """minDCF and Cllr of each list, means of the seeds."""
    yield f"| recipe | {' | '.join(one.title for one in LISTS.values())} |"
    yield f"|---|{'---|' * len(LISTS)}"
    for experiment, rows in measured:
        if rows:
            means = ([mean(rows, f"{key}_{name}") for name in ("mindcf", "cllr")] for key in LISTS)
            cells = (f"{mindcf:.2f}, {cllr:.2f}" for mindcf, cllr in means)
            yield f"| {experiment.name} | {' | '.join(cells)} |"


def _reached(measured):
    """The CPU minutes of the shortest training of each recipe that has an EER at the most."""
    yield f"| recipe | {' | '.join(f'{goal} %' for goal in GOALS)} |"
    yield f"|---|{'---|' * len(GOALS)}"
    for name, points in _points(measured).items():
        times = [[minutes for minutes, eer in points if eer <= goal] for goal in GOALS]
        cells = (f"{min(found):.1f}" if found else "never" for found in times)
        yield f"| {name} | {' | '.join(cells)} |"


def _points(measured):
    """Of each hparams file, the CPU minutes and the EER on -channels of its trainings."""
    points = {}
    for experiment, rows in measured:
        if rows:
            point = mean(rows, "cpu_minutes"), mean(rows, "channels_eer")
            points.setdefault(experiment.hparams, []).append(point)
    return {name: sorted(own) for name, own in points.items()}


def _commits(measured):
    """By which states of the code the rows were measured."""
    names = {}
    for experiment, rows in measured:
        for row in rows:
            names.setdefault(row["commit"], {})[experiment.name] = None  # each once
    most = max(names, key=lambda commit: len(names[commit]), default="none")
    others = (f"; {', '.join(rows)}: {commit}" for commit, rows in names.items() if commit != most)
    return f"Commit: {most}{''.join(others)}."


def _eer(rows, key):
    """Mean, the seeds, and the mean bounds of the intervals."""
    cell = _seeds(rows, f"{key}_eer")
    if any(row[f"{key}_low"] == "" for row in rows):
        return cell
    return f"{cell}; {mean(rows, f'{key}_low'):.0f}-{mean(rows, f'{key}_high'):.0f}"


def _seeds(rows, name):
    values = column(rows, name)
    seeds = f" ({', '.join(f'{value:.1f}' for value in values)})" if len(values) > 1 else ""
    return f"**{mean(rows, name):.1f}**{seeds}"


def _plot_ablation(path, measured):
    measured = [(experiment, rows) for experiment, rows in measured if rows][::-1]
    figure, axes = plt.subplots(1, 2, figsize=(10, 0.4 * len(measured) + 1.2), sharey=True)
    for axis, key in zip(axes, ("channels", "dev"), strict=True):
        for place, (_, rows) in enumerate(measured):
            values = column(rows, f"{key}_eer")
            colour = "C1" if place == len(measured) - 1 else "C0"
            axis.barh(place, mean(rows, f"{key}_eer"), color=colour, height=0.6)
            axis.plot(values, [place] * len(values), "k.", markersize=4)
        axis.set_xlabel(f"dev EER, {LISTS[key].title} [%]")
        axis.grid(axis="x", alpha=0.3)
    axes[0].set_yticks(range(len(measured)), [experiment.name for experiment, _ in measured])
    _save(figure, path)


def _plot_speakers(path, measured):
    figure, axis = plt.subplots(figsize=(6, 4))
    hparams = dict.fromkeys(experiment.hparams for experiment, rows in measured if rows)
    for number, name in enumerate(hparams):
        for key, style in (("channels", "-"), ("dev", "--")):
            points = sorted(
                (experiment.speakers, mean(rows, f"{key}_eer"))
                for experiment, rows in measured
                if rows and experiment.hparams == name
            )
            label = f"{name}, {LISTS[key].title}"
            axis.plot(*zip(*points, strict=True), f"o{style}", color=f"C{number}", label=label)
    axis.set_xscale("log", base=2)
    counts = sorted({experiment.speakers for experiment, _ in measured})
    axis.set_xticks(counts, counts)
    axis.set_xlabel("training speakers")
    axis.set_ylabel("dev EER [%]")
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.3)
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    _save(figure, path)


def _plot_time(path, measured):
    figure, axis = plt.subplots(figsize=(6, 4))
    for name, points in _points(measured).items():
        axis.plot(*zip(*points, strict=True), "o-", label=name)
    axis.set_xscale("log")
    axis.set_xlabel("CPU minutes of training, one thread")
    axis.set_ylabel(f"dev EER, {LISTS['channels'].title} [%]")
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.3, which="both")
    axis.legend()
    _save(figure, path)


def _save(figure, path):
    figure.tight_layout()
    with atomic_file(path, "wb") as fout:
        figure.savefig(fout, format="png", dpi=100)
    plt.close(figure)

"""Pictures of the error rates of groups of trials."""

from markupsafe import Markup
from matplotlib.patches import Rectangle

from local.report.pictures import COLOURS, INK, legend_above, picture

MOST_GROUPS = 12  # more would be a wall of bars; the table beside them has all


def breakdown(name: str, by: str, systems: dict[str, list[dict]]) -> Markup | None:
    """Draw the error rates of groups of trials, as bars of the systems side by side.

    A system has the entries of its breakdown; those of which "by" is the one given are drawn. None
    where no group has an error rate.
    """
    groups = {}
    for number, entries in enumerate(systems.values()):
        for entry in entries:
            if entry["by"] == by and rate(entry):
                groups.setdefault(entry["group"], {})[number] = entry
    largest = sorted(groups, key=lambda group: -_num_trials(groups[group]))[:MOST_GROUPS]
    groups = {group: bars for group, bars in groups.items() if group in largest}
    if not groups:
        return None
    rows = sum(1.6 + len(bars) for bars in groups.values())

    def draw(figure):
        axes = figure.add_subplot(xlabel="error rate (%)")
        ends = [0.0]
        place = 0.0
        for group, bars in groups.items():
            some = next(iter(bars.values()))
            counts = f"{group}: {some['target']:,} / {some['nontarget']:,} trials"
            axes.text(0, place, counts, transform=axes.get_yaxis_transform(), va="center")
            for number, entry in bars.items():
                place += 1
                ends.append(_draw_bar(axes, place, entry, COLOURS[number % len(COLOURS)]))
            place += 1.6
        axes.set(xlim=(0, max(max(ends) / 0.66, 1e-3)), ylim=(place - 0.8, -0.7), yticks=[])
        axes.spines.left.set_visible(False)
        axes.grid(axis="y", visible=False)
        if len(systems) > 1:
            for number, label in enumerate(systems):
                colour = COLOURS[number % len(COLOURS)]
                axes.add_patch(Rectangle((0, 0), 0, 0, color=colour, alpha=0.75, label=label))
            legend_above(figure, axes)

    legend = 0.17 * len(systems) if len(systems) > 1 else 0
    return picture(name, f"Error rates by {by}", draw, height=0.65 + 0.19 * rows + legend)


def _num_trials(bars):
    """How many trials a group has, in the system that has most of them."""
    return max(entry["target"] + entry["nontarget"] for entry in bars.values())


def rate(entry: dict) -> tuple[str, float, float | None, float | None] | None:
    """The error rate of an entry of a breakdown: its kind, value, and interval if it has one.

    Trials of one kind have no EER: they show the share of misses or of false alarms at the
    threshold instead.

    Example
    -------
    >>> rate({"eer": None, "target": 0, "miss": None, "false_alarm": 0.25})
    ('false alarm', 0.25, None, None)
    """
    if entry["eer"]:
        return "EER", entry["eer"]["value"], entry["eer"]["low"], entry["eer"]["high"]
    for kind, value in (("miss", entry["miss"]), ("false alarm", entry["false_alarm"])):
        if value is not None:
            return kind, value, None, None
    return None


def _draw_bar(axes, place, entry, colour):
    """Draw one bar with its interval and value; returns where it ends."""
    kind, value, low, high = rate(entry)
    value, end = 100 * value, 100 * value
    if kind == "EER":
        axes.barh(place, value, height=0.8, color=colour, alpha=0.75)
    else:  # another rate than its neighbours': it must not be taken for an EER
        axes.barh(place, value, height=0.8, color="white", edgecolor=colour, hatch="////")
    if low is not None and high is not None:
        end = max(value, 100 * high)
        axes.plot([100 * low, 100 * high], [place, place], color=INK, linewidth=1.2)
        axes.plot([100 * low, 100 * high], [place, place], "|", color=INK, markersize=6)
    text = f"{value:.1f}%" if kind == "EER" else f"{value:.1f}% {kind}"
    axes.annotate(
        text, (end, place), xytext=(5, 0), textcoords="offset points", va="center_baseline"
    )
    return end

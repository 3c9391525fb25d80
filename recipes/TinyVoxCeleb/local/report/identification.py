"""Open-set identification on the page: its rates as a table, and what each threshold gives."""

from markupsafe import Markup

from local.metrics.identification import Searches, arrange
from local.metrics.tables import NAMES, number, span
from local.report.pictures import COLOURS, legend_above, picture
from local.report.runs import ScoredList


def identification_section(name: str, systems: dict[str, ScoredList]) -> dict | None:
    """What the page shows of searches of a gallery, None where no system was searched with.

    "svg", the picture of the name given, is None without probes of both kinds.
    """
    found = {
        label: scored.result.identification
        for label, scored in systems.items()
        if scored.result.identification
    }
    if not found:
        return None
    metrics = dict.fromkeys(key for one in found.values() for key in one["metrics"])
    rows = [
        (NAMES[key], [_cell(key, one["metrics"].get(key)) for one in found.values()])
        for key in metrics
    ]
    curves = {label: _curves(systems[label]) for label in found}
    return {
        "searches": next(iter(found.values()))["searches"],
        "labels": list(found),
        "rows": rows,
        "svg": _draw(name, curves) if all(curves.values()) else None,
    }


def _cell(key, entry):
    return None if entry is None else (number(key, entry["value"]), span(key, entry))


def _curves(scored):
    """The curves of `Searches`, of the scores as the score list has them."""
    trials = scored.trials
    scores, labels, _ = arrange(scored.scores, trials.labels, *trials.pairs())
    known = (labels >= 0).all(axis=1)
    return Searches(scores[known], labels[known] == 1).curves()


def _draw(name: str, curves: dict) -> Markup:
    """Draw FNIR, and 1 - DIR, over FPIR, each axis by decades."""

    def draw(figure):
        axes = figure.add_subplot(xlabel="FPIR (%)", ylabel="probes not found (%)")
        ends = []
        for place, (label, (ranked, any_rank)) in enumerate(curves.items()):
            colour = COLOURS[place % len(COLOURS)]
            for (false_alarm, miss), style, what in (
                (ranked, "-", "1 - DIR"),
                (any_rank, "--", "FNIR"),
            ):
                told = f"{label}: {what}" if len(curves) > 1 else what
                options = {"where": "post", "color": colour, "linestyle": style, "label": told}
                axes.step(100 * false_alarm, 100 * miss, **options)
                ends.append(false_alarm[false_alarm > 0].min())
        # The least share above none that can be told; curves begin at its left.
        axes.set(xscale="symlog", xlim=(0, 100), ylim=(0, None))
        axes.set_xscale("symlog", linthresh=100 * min(ends))
        axes.set_xticks([tick for tick in (0, 0.01, 0.1, 1, 10, 100) if tick in (0, 100)
                         or tick >= 100 * min(ends)])  # fmt: skip
        axes.xaxis.set_major_formatter(lambda share, _: f"{share:g}")
        legend_above(figure, axes, ncols=2)

    title = "Probes of enrolled speakers that are not found, over false alarms"
    return picture(name, title, draw, height=3.3 + 0.17 * len(curves))

"""The final loss by max learning rate, a line for each replay share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from raycl.results.metrics import average_loss, final_loss, sides_of
from raycl.results.outcome import RecipeOutcome, corpora_of
from raycl.results.report.canvas import Drawing, leave_room, new_axes
from raycl.results.report.groups import last_stage, rate_groups
from raycl.results.report.labels import MOST_NAMED, label_ends
from raycl.results.report.number_text import rate_text, share_text
from raycl.results.report.palette import INK, LOSS, QUIET, Look


def _rate_lines(
    outcomes: Sequence[RecipeOutcome], appearance: Mapping[str, Look]
) -> dict[str, tuple[str, list[tuple[float, float]]]]:
    """Label -> (colour, points): one line per replay share, or one per corpus and the average."""
    corpora = corpora_of(outcomes)
    groups = rate_groups(outcomes)
    pairs = zip(outcomes, sides_of(outcomes), strict=True)
    averages = {outcome.label: average_loss(outcome, sides) for outcome, sides in pairs}
    lines: dict[str, tuple[str, list[tuple[float, float]]]] = {}
    if len(groups) > 1:
        for group in groups:
            label = f"replay {share_text(last_stage(group[0]).replay_share)}"
            colour = appearance[group[0].label].colour
            lines[label] = (
                colour,
                [(last_stage(o).max_lr or 0, averages[o.label]) for o in group],
            )
    elif groups:
        rates = [last_stage(o).max_lr or 0.0 for o in groups[0]]
        for corpus in corpora:
            losses = [final_loss(o, corpus) for o in groups[0]]
            lines[corpus] = (QUIET, list(zip(rates, losses, strict=True)))
        lines["average"] = (
            INK,
            [(last_stage(o).max_lr or 0, averages[o.label]) for o in groups[0]],
        )
    kept = {k: (c, [p for p in v if not math.isnan(p[1])]) for k, (c, v) in lines.items()}
    return {label: line for label, line in kept.items() if len(line[1]) > 1}


def draw_by_max_rate(
    outcomes: Sequence[RecipeOutcome], appearance: Mapping[str, Look]
) -> Drawing | None:
    """Final loss by max learning rate; None where fewer than two rates were swept alike."""
    lines = _rate_lines(outcomes, appearance)
    if not lines:
        return None
    figure, axes = new_axes("max learning rate (log scale)", LOSS)
    named = list(lines) if len(lines) <= MOST_NAMED else []
    leave_room(figure, named)
    for label, (colour, points) in lines.items():
        width = 2.4 if label == "average" else 1.6
        axes.plot(*zip(*points, strict=True), "o-", color=colour, linewidth=width, markersize=5)
    axes.set_xscale("log")
    rates = sorted({x for _, points in lines.values() for x, _ in points})
    axes.xaxis.set_major_locator(FixedLocator(rates))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: rate_text(rate)))
    axes.margins(0.06, 0.12)
    label_ends(axes, {k: lines[k][1][-1] for k in named}, {k: lines[k][0] for k in named})
    group = rate_groups(outcomes)[0]
    share = share_text(last_stage(group[0]).replay_share)
    caption = (
        "Final AVG, one line per replay share."
        if "average" not in lines
        else f"Final loss at replay {share}, per corpus and on average."
    )
    return Drawing("max-lr", "Loss by max learning rate", caption, figure)

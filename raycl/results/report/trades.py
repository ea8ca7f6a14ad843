"""Figures of what a setting buys: forgetting against adaptation, loss by max learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from raycl.results.metrics import adaptation, average_loss, final_loss, forgetting
from raycl.results.outcome import RecipeOutcome, corpora_of
from raycl.results.report.canvas import (
    MOST_NAMED,
    TOO_MANY,
    Drawing,
    label_ends,
    label_points,
    leave_room,
    new_axes,
)
from raycl.results.report.palette import (
    INK,
    LOSS,
    QUIET,
    Look,
    last_stage,
    rate_groups,
    rate_text,
    replay_groups,
    share_text,
    swept,
)


def _measured(
    outcomes: Sequence[RecipeOutcome], measure: Callable[[RecipeOutcome, str], float]
) -> list[str]:
    """Corpora that a whole recipe has this measure of."""
    recipes = swept(outcomes)
    return [c for c in corpora_of(outcomes) if any(not math.isnan(measure(o, c)) for o in recipes)]


def draw_trade(outcomes: Sequence[RecipeOutcome], appearance: Mapping[str, Look]) -> Drawing | None:
    """Forgetting against adaptation, one point per recipe, replay shares joined by a line."""
    lost, gained = _measured(outcomes, forgetting), _measured(outcomes, adaptation)
    if not lost or not gained:
        return None
    points = {}
    # A branch off an earlier stage has other corpora to forget: no place beside whole recipes.
    for outcome in outcomes:
        old = float(np.mean([forgetting(outcome, corpus) for corpus in lost]))
        new = float(np.mean([adaptation(outcome, corpus) for corpus in gained]))
        if not math.isnan(old + new):
            points[outcome.label] = (old, new)
    if len(points) < 2:
        return None
    figure, axes = new_axes(
        f"forgetting of {', '.join(lost)} (nats/token) – less is better",
        f"adaptation to {', '.join(gained)} (nats/token)",
    )
    leave_room(figure)
    lines = [[points[o.label] for o in g if o.label in points] for g in replay_groups(outcomes)]
    lines = [line for line in lines if len(line) > 1]
    for line in lines:
        axes.plot(*zip(*line, strict=True), color=QUIET[0], linewidth=1, zorder=1)
    for label, (x, y) in points.items():
        look = appearance[label]
        axes.plot(x, y, look.marker, color=look.colour, markersize=8, zorder=3)
    axes.margins(0.16, 0.14)
    caption = "Up: learns the new corpus better. Left: forgets less. The line joins replay shares."
    if any(outcome.kind == "anneal" and outcome.label in points for outcome in outcomes):
        caption += " Star: an annealed branch, in the colour of its trunk."
    named = points
    if len(points) > 10:  # the colour tells the shares between
        between = {place for line in lines for place in line[1:-1]}
        named = {label: place for label, place in points.items() if place not in between}
        caption += " Of each line the ends are labelled."
    if len(named) > MOST_NAMED:
        named = {}
        caption += f" {TOO_MANY}"
    label_points(axes, named, [*lines, *([place] for place in points.values())])
    return Drawing("trade", "What adaptation costs in forgetting", caption, figure)


def _rate_lines(
    outcomes: Sequence[RecipeOutcome], appearance: Mapping[str, Look]
) -> dict[str, tuple[str, list[tuple[float, float]]]]:
    """Label -> (colour, points): one line per replay share, or one per corpus and the average."""
    corpora = corpora_of(outcomes)
    groups = rate_groups(outcomes)
    lines: dict[str, tuple[str, list[tuple[float, float]]]] = {}
    if len(groups) > 1:
        for group in groups:
            label = f"replay {share_text(last_stage(group[0]).replay_share)}"
            colour = appearance[group[0].label].colour
            lines[label] = (
                colour,
                [(last_stage(o).max_lr or 0, average_loss(o, corpora)) for o in group],
            )
    elif groups:
        rates = [last_stage(o).max_lr or 0.0 for o in groups[0]]
        for corpus in corpora:
            losses = [final_loss(o, corpus) for o in groups[0]]
            lines[corpus] = (QUIET[0], list(zip(rates, losses, strict=True)))
        lines["average"] = (
            INK[0],
            [(last_stage(o).max_lr or 0, average_loss(o, corpora)) for o in groups[0]],
        )
    kept = {k: (c, [p for p in v if not math.isnan(p[1])]) for k, (c, v) in lines.items()}
    return {label: line for label, line in kept.items() if len(line[1]) > 1}


def draw_by_max_rate(
    outcomes: Sequence[RecipeOutcome], appearance: Mapping[str, Look]
) -> Drawing | None:
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
        "Final average over the corpora, one line per replay share."
        if "average" not in lines
        else f"Final loss at replay {share}, per corpus and on average."
    )
    return Drawing("max-lr", "Loss by max learning rate", caption, figure)

"""Forgetting against adaptation, one point for each replay share, with the range over seeds."""

from __future__ import annotations

import statistics

from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.measures import gained_new, lost_old
from raycl.reproduction.evidence.paired import Values
from raycl.reproduction.evidence.picks import replay
from raycl.reproduction.evidence.shifts import Shift, percent
from raycl.reproduction.figures.colours import ordered_colours
from raycl.reproduction.tables import paper_numbers as paper
from raycl.results.report.canvas import Drawing, leave_room, new_axes
from raycl.results.report.labels import label_points
from raycl.results.report.palette import QUIET


def _reach(values: Values) -> list[list[float]]:
    """Distances from the mean to the lowest and to the highest value, as errorbar takes them."""
    mean = statistics.fmean(values.values())
    return [[mean - min(values.values())], [max(values.values()) - mean]]


def draw_trade(evidence: Evidence, shift: Shift) -> Drawing | None:
    """The figure of one shift; None where fewer than two shares were run."""
    shares = list(paper.REPLAY[shift.name])
    figure, axes = new_axes(
        "forgetting of D0 (nats/token) – less is better",
        "adaptation to D1 (nats/token)",
    )
    leave_room(figure)
    points: dict[str, tuple[float, float]] = {}
    bars: list[list[tuple[float, float]]] = []
    for share, colour in zip(shares, ordered_colours(len(shares)), strict=True):
        lost, gained = (
            evidence.paired(shift.replay, measure, replay(share))
            for measure in (lost_old, gained_new)
        )
        if not lost or not gained:
            continue
        place = statistics.fmean(lost.values()), statistics.fmean(gained.values())
        points[percent(share)] = place
        axes.errorbar(
            *place,
            xerr=_reach(lost),
            yerr=_reach(gained),
            fmt="o",
            color=colour,
            markersize=8,
            elinewidth=1.2,
            capsize=2.5,
            zorder=3,
        )
        bars += [[(x, place[1]) for x in lost.values()], [(place[0], y) for y in gained.values()]]
    if len(points) < 2:
        return None
    axes.plot(*zip(*points.values(), strict=True), color=QUIET, linewidth=1, zorder=1)
    axes.margins(0.12, 0.16)
    label_points(axes, points, [list(points.values()), *bars])
    caption = "One point for each replay share: mean over seeds, bars: their range. Up and left is "
    caption += "better."
    title = f"What replay costs and buys, {shift.name} shift"
    return Drawing(f"trade-{shift.name}", title, caption, figure)

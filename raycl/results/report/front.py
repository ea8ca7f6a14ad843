"""The Pareto front of a search with two objectives, one point for each recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from raycl.results.outcome import RecipeOutcome
from raycl.results.report.canvas import Drawing, leave_room, new_axes
from raycl.results.report.labels import MOST_NAMED, TOO_MANY, label_points
from raycl.results.report.palette import QUIET, Look
from raycl.results.search_results import compared, objective_of
from raycl.results.table import results_table


def draw_front(outcomes: Sequence[RecipeOutcome], appearance: Mapping[str, Look]) -> Drawing | None:
    """The figure; None without a search for two numbers, or with fewer than two recipes."""
    objective = objective_of(outcomes)
    if objective is None or len(objective.goals) != 2:
        return None
    found = compared(results_table(outcomes), objective)
    if len(found.points) < 2:
        return None
    signs = objective.signs
    places = {
        label: (signs[0] * point[0], signs[1] * point[1]) for label, point in found.points.items()
    }
    words = ["more is better" if sign < 0 else "less is better" for sign in signs]
    titles = [f"{name} – {word}" for name, word in zip(objective.goals, words, strict=True)]
    figure, axes = new_axes(titles[0], titles[1])
    leave_room(figure)
    line = sorted(places[label] for label in found.front)
    axes.plot(*zip(*line, strict=True), color=QUIET, linewidth=1, zorder=1)
    for label, (x, y) in places.items():
        look = appearance[label]
        axes.plot(x, y, look.marker, color=look.colour, markersize=8, zorder=3)
    axes.margins(0.16, 0.14)
    named = {label: places[label] for label in found.front}
    caption = "The line joins the recipes that no other one beats in both."
    if len(named) > MOST_NAMED:
        named = {}
        caption += f" {TOO_MANY}"
    label_points(axes, named, [line, *([place] for place in places.values())])
    return Drawing("front", "The Pareto front of the search", caption, figure)

"""Forgetting against adaptation, one point for each recipe."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from raycl.results.metrics import Sides, adaptation, forgetting, side_mean, sides_of
from raycl.results.outcome import MERGED, RecipeOutcome, corpora_of, learned_corpora
from raycl.results.report.canvas import Drawing, leave_room, new_axes
from raycl.results.report.groups import replay_groups, swept
from raycl.results.report.labels import MOST_NAMED, TOO_MANY, label_points
from raycl.results.report.palette import QUIET, Look


def _measured(
    outcomes: Sequence[RecipeOutcome], measure: Callable[[RecipeOutcome, str], float]
) -> list[str]:
    """Corpora for which a recipe of the sweep has this measure: those in an average, if any is."""
    recipes = swept(outcomes)
    found = [c for c in corpora_of(outcomes) if any(not math.isnan(measure(o, c)) for o in recipes)]
    trained = {corpus for outcome in recipes for corpus in learned_corpora(outcome)}
    return [corpus for corpus in found if corpus in trained] or found


def draw_trade(outcomes: Sequence[RecipeOutcome], appearance: Mapping[str, Look]) -> Drawing | None:
    """The figure, with a line along replay shares; None where fewer than two recipes have both."""
    lost, gained = _measured(outcomes, forgetting), _measured(outcomes, adaptation)
    if not lost or not gained:
        return None
    points = {}
    # A branch off an earlier stage forgets other corpora, so that it gets NaN and no point here.
    for outcome, sides in zip(outcomes, sides_of(outcomes), strict=True):
        weights = sides or Sides()
        old = side_mean({corpus: forgetting(outcome, corpus) for corpus in lost}, weights.old)
        new = side_mean({corpus: adaptation(outcome, corpus) for corpus in gained}, weights.new)
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
        axes.plot(*zip(*line, strict=True), color=QUIET, linewidth=1, zorder=1)
    for label, (x, y) in points.items():
        look = appearance[label]
        axes.plot(x, y, look.marker, color=look.colour, markersize=8, zorder=3)
    axes.margins(0.16, 0.14)
    caption = "Up: learns the new corpus better. Left: forgets less. The line joins replay shares."
    if any(outcome.kind == "anneal" and outcome.label in points for outcome in outcomes):
        caption += " Star: an annealed branch, in the colour of its trunk."
    if any(outcome.kind == MERGED and outcome.label in points for outcome in outcomes):
        caption += " Diamond: a merged model, in the colour of its recipe."
    named = points
    if len(points) > 10:  # the colours tell the shares between the ends
        between = {place for line in lines for place in line[1:-1]}
        named = {label: place for label, place in points.items() if place not in between}
        caption += " Of each line the ends are labelled."
    if len(named) > MOST_NAMED:
        named = {}
        caption += f" {TOO_MANY}"
    label_points(axes, named, [*lines, *([place] for place in points.values())])
    return Drawing("trade", "What adaptation costs in forgetting", caption, figure)

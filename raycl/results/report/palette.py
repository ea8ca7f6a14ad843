"""How a recipe looks wherever it appears: one colour, one marker, one line style.

Replay shares run from green to violet (more replay is darker), recipes that only change the
learning rate are orange, baselines are grey and dashed. The two families differ in lightness and
along the blue-yellow axis, which colour-blind readers keep. An annealed branch has the colour of
its trunk, with short dashes, and a merge has that of its recipe, as a diamond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.colors import LinearSegmentedColormap, to_hex

from raycl.results.outcome import RecipeOutcome
from raycl.results.report.groups import last_stage, replay_groups, trunk

LOSS = "validation loss (nats/token)"

INK = "#22272e"
QUIET = "#6a737d"
GRID = "#e4e7ea"
PAPER = "#ffffff"
ORANGES = LinearSegmentedColormap.from_list("oranges", ["#f2a33c", "#d9541e", "#7f2704"])
_MARKERS = ("o", "s", "^", "v", "P", "X")
_BASELINES: dict[str, tuple[str, object]] = {  # kind -> marker and line style
    "previous": ("h", (0, (7, 2, 1, 2))),
    "union": ("D", (0, (4, 2))),
    "scratch": ("X", (0, (1, 1.5))),
    "alone": ("P", (0, (6, 1, 1, 1, 1, 1))),
}
_ANNEALED: tuple[str, object] = ("*", (0, (2.2, 0.9)))
_MERGED: tuple[str, object] = ("d", "-")
_DASHES: tuple[object, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))


@dataclass(frozen=True)
class Look:
    """Colour, marker, line style."""

    colour: str
    marker: str
    line: object


def _along(place: int, count: int) -> float:
    return place / (count - 1) if count > 1 else 0.5


def _replay_look(place: float, group: int) -> Look:
    colours = matplotlib.colormaps["viridis"]
    return Look(
        to_hex(colours(0.74 - 0.70 * place)),
        _MARKERS[group % len(_MARKERS)],
        _DASHES[group % len(_DASHES)],
    )


def looks(outcomes: Sequence[RecipeOutcome]) -> dict[str, Look]:
    """The look of every recipe, by label."""
    groups = replay_groups(outcomes)
    lines = [group for group in groups if len(group) > 1]
    shares = sorted({last_stage(o).replay_share for group in lines for o in group})
    found = {
        outcome.label: _replay_look(
            _along(shares.index(last_stage(outcome).replay_share), len(shares)), number
        )
        for number, group in enumerate(lines)
        for outcome in group
    }
    branches = [(o, trunk(o, outcomes)) for o in outcomes if o.kind == "anneal"]
    singles = [group[0] for group in groups if len(group) == 1]
    singles += [branch for branch, grown_from in branches if grown_from is None]
    singles.sort(key=lambda outcome: last_stage(outcome).max_lr or 0.0)
    for place, outcome in enumerate(singles):
        colour = to_hex(ORANGES(_along(place, len(singles))))
        found[outcome.label] = Look(colour, "s", "-")
    for branch, grown_from in branches:
        tone = found[grown_from.label if grown_from else branch.label]
        found[branch.label] = Look(tone.colour, *_ANNEALED)
    for outcome in outcomes:
        if outcome.merged_from:
            tone = found.get(outcome.merged_from, Look(QUIET, *_MERGED))
            found[outcome.label] = Look(tone.colour, *_MERGED)
        if outcome.is_baseline:
            found[outcome.label] = Look(QUIET, *_BASELINES[outcome.kind])
    return found

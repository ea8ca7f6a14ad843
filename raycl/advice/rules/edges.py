"""Best values at the edge of what was tried: there the best one may lie beyond."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from raycl.advice.advice import Point
from raycl.advice.choice import Choice
from raycl.advice.noise import is_worse
from raycl.advice.setting import MAX_LR, REPLAY, Setting, line_through
from raycl.advice.words import feature_text
from raycl.recipe.schema import LATER
from raycl.results.report.groups import last_stage

_SEEDS = ("seed", "held_out_seed")
_MOST_REPLAY = 0.9
_MOST_STEP, _LEAST_STEP = 4.0, 1.5
"""The factor between rates by which a grid is extended lies between these."""


@dataclass(frozen=True)
class Edge:
    """A best value at the end of a line of tried ones, and the next value to try."""

    setting: Setting
    feature: str
    at: float
    beyond: float
    is_clear: bool
    """Whether the best value is better than its neighbour beyond noise."""

    @property
    def field(self) -> str:
        """The field of the recipe that sets the feature: the swept one where it is swept."""
        rest = {REPLAY: "replay", MAX_LR: "schedule.max_lr"}.get(self.feature)
        if rest is None:
            return self.feature
        own = f"{last_stage(self.setting.example).name}.{rest}"
        fields = self.setting.example.fields
        return next((f for f in (own, f"{LATER}.{rest}") if f in fields), own)


def edges(choice: Choice) -> list[Edge]:
    """The edges at which the best setting of a line lies, clear ones first.

    The line of a feature is the one through the chosen setting.
    """
    found = list(_edges(choice))
    return sorted(found, key=lambda edge: not edge.is_clear)


def _edges(choice: Choice) -> Iterator[Edge]:
    for feature in _numeric(choice.ranked):
        line = line_through(choice.ranked, feature, choice.chosen)
        if len(line) < 2:
            continue
        best = min(line, key=lambda setting: choice.goal.sign * setting.mean)
        place = line.index(best)
        if place not in (0, len(line) - 1):
            continue
        neighbour = line[1] if place == 0 else line[-2]
        at, inner = (float(s.features[feature]) for s in (best, neighbour))
        beyond = _beyond(feature, at, inner)
        if not math.isnan(beyond):
            clear = is_worse(neighbour, best, choice.goal)
            yield Edge(best, feature, at, beyond, clear)


def _numeric(settings: Sequence[Setting]) -> list[str]:
    names = dict.fromkeys(name for setting in settings for name in setting.features)
    # A seed has a number, but the next number is no better or worse than any other.
    names = {name: None for name in names if name.rpartition(".")[2] not in _SEEDS}
    return [n for n in names if any(isinstance(s.features.get(n), float) for s in settings)]


def _beyond(feature: str, at: float, inner: float) -> float:
    """The next value on the outer side; NaN where there is none to try."""
    if feature.endswith("replay"):
        if at < inner:
            return 0.0 if at > 0 else math.nan
        beyond = 2 * at if at <= 0.3 else (at + 1) / 2
        return round(beyond, 3) if beyond <= _MOST_REPLAY else math.nan
    if at <= 0 or inner <= 0:
        return math.nan
    factor = at / inner
    size = min(max(factor, 1 / factor, _LEAST_STEP), _MOST_STEP)
    return float(f"{at * size if factor > 1 else at / size:.2g}")


def edge_points(choice: Choice) -> list[Point]:
    """A warning for each edge, with the side to extend and a value to try."""
    return [_point(edge) for edge in edges(choice)]


def _point(edge: Edge) -> Point:
    name = "replay" if edge.feature == REPLAY else edge.field
    at, beyond = feature_text(edge.feature, edge.at), feature_text(edge.feature, edge.beyond)
    side = "highest" if edge.beyond > edge.at else "lowest"
    text = f"The best {name} is {at}, the {side} that was tried ({edge.setting.name}). "
    if edge.is_clear:
        text += f"A better one may lie beyond: try {beyond}."
    else:
        text += f"It is within noise of its neighbour, so that {beyond} may gain little."
    return Point("warning", f"{name} at the edge of the grid", text)

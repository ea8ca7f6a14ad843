"""The learning rate at which forgetting outweighs adaptation."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TypeAlias

from raycl.advice.advice import Point
from raycl.advice.choice import Choice
from raycl.advice.noise import ASSUMED_HALF
from raycl.advice.setting import MAX_LR, Setting, line_through
from raycl.advice.words import feature_text, number_text
from raycl.results.metrics import adaptation, forgetting, own_sides
from raycl.results.report.number_text import share_text

Known: TypeAlias = tuple[Setting, float, float]
"""A setting with its forgetting and its adaptation (nats/token)."""


def rate_points(choice: Choice) -> list[Point]:
    """What each raise of the maximum learning rate adapts and forgets more, and where it turns."""
    line = line_through(choice.ranked, MAX_LR, choice.chosen)
    changes = [(setting, *_changes(setting)) for setting in line]
    known = [(s, old, new) for s, old, new in changes if not math.isnan(old + new)]
    if len(known) < 2:
        return []
    said = []
    for (low, old, new), (high, more_old, more_new) in pairwise(known):
        forgets, adapts = more_old - old, more_new - new
        said.append(
            f"{_rate(low)} to {_rate(high)} adapts {_more(adapts)} and forgets {_more(forgets)}"
        )
    best = max(known, key=_net)
    worse = [each for each in known[known.index(best) :] if _falls(best, each)]
    turned = best[0] if worse else None
    at = f" (replay {share_text(line[0].replay)})" if line[0].replay else ""
    table = f"Raising the maximum learning rate{at}: {'; '.join(said)} (nats/token)."
    if turned is None:
        highest = _rate(known[-1][0])
        title = f"Up to {highest} forgetting does not outweigh adaptation"
        text = f"{table} Up to {highest}, the highest rate tried, forgetting does not outweigh it."
    elif turned is known[0][0]:
        lowest = _rate(turned)
        title = f"Above {lowest} forgetting outweighs adaptation"
        text = f"{table} {lowest} is the lowest rate tried: a lower one may be better still."
    else:
        title = f"Above {_rate(turned)} forgetting outweighs adaptation"
        text = f"{table} Above {_rate(turned)} what is forgotten is more than what is learned."
    return [Point("rate", title, text)]


def _net(known: Known) -> float:
    """What is adapted less what is forgotten (nats/token)."""
    _, forgets, adapts = known
    return adapts - forgets


def _falls(best: Known, other: Known) -> bool:
    """Whether the other rate is behind the best one beyond noise.

    What is adapted less what is forgotten is a sum of two losses, not their mean as the average is:
    its noise is twice as large.
    """
    return _net(best) - _net(other) > 2 * ASSUMED_HALF


def _rate(setting: Setting) -> str:
    return feature_text(MAX_LR, float(setting.features[MAX_LR]))


def _more(change: float) -> str:
    if number_text(change) == "0.00":
        return "as much"
    return f"{number_text(abs(change))} {'more' if change > 0 else 'less'}"


def _changes(setting: Setting) -> tuple[float, float]:
    """Forgetting of what is old and adaptation to what is new, by their weights in the average."""
    sides = own_sides(setting.example)
    return setting.side(forgetting, sides.old), setting.side(adaptation, sides.new)

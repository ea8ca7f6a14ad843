"""How far apart two settings must be before one is called better.

Over seeds it is measured: equal seeds are paired. With one seed the held-out documents show what
chance is in the text that was measured on, but nothing shows how much a number would change with
another seed: a spread is assumed for that, added in squares, and said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from raycl.advice.goal import NATS, Goal
from raycl.advice.setting import Setting
from raycl.results.row_losses import average_difference
from raycl.results.uncertainty.intervals import Interval, paired_interval

ASSUMED_SD = 0.012
"""Standard deviation (nats/token) of the difference of two settings' averages at one seed.

It is the root mean square of the six that docs/reproduction.md has of averages over three seeds:
0.015, 0.019, 0.006, 0.004, 0.005 and 0.012, of models of about a million parameters."""
_ASSUMED_SHARE = 0.005
"""Of numbers in another unit, the share of the value that is taken for it; nothing measured it."""
_TWO_SIDED = 1.96
"""Half of a 95 % interval of the normal distribution, in standard deviations."""


@dataclass(frozen=True)
class Difference:
    """One setting's value minus another's, and whether seeds have shown how certain it is."""

    interval: Interval
    measured: bool

    @property
    def is_clear(self) -> bool:
        """Whether it is beyond noise."""
        return self.interval.excludes_zero


def difference(first: Setting, second: Setting, goal: Goal) -> Difference:
    """The value of `first` minus that of `second`, with a 95 % interval."""
    seeds = sorted(set(first.values) & set(second.values))
    if len(seeds) > 1:
        ours, theirs = ([setting.values[seed] for seed in seeds] for setting in (first, second))
        return Difference(paired_interval(ours, theirs), True)
    # With one seed in common these are compared; values of other seeds would add their spread.
    one, other = (s.values[seeds[0]] if seeds else s.mean for s in (first, second))
    half = math.hypot(
        _TWO_SIDED * assumed_sd(goal, second.mean), documents_half(first, second, goal)
    )
    apart = one - other
    return Difference(Interval(apart, apart - half, apart + half, half / _TWO_SIDED, 1), False)


def documents_half(first: Setting, second: Setting, goal: Goal) -> float:
    """Half of the 95 % interval of a difference over held-out documents; 0: not known."""
    if not goal.weights or first.example.label == second.example.label:
        return 0.0
    half = half_width(average_difference(first.example, second.example, goal.weights))
    return 0.0 if math.isnan(half) else half


def assumed_sd(goal: Goal, value: float) -> float:
    """The standard deviation that is assumed of a difference at one seed, in the goal's unit."""
    return ASSUMED_SD if goal.unit == NATS else _ASSUMED_SHARE * abs(value)


def is_worse(first: Setting, second: Setting, goal: Goal) -> bool:
    """Whether the first is worse than the second beyond noise."""
    found = difference(first, second, goal)
    return found.is_clear and goal.sign * found.interval.mean > 0


def half_width(interval: Interval) -> float:
    """Half of an interval's width; NaN where it has no bounds."""
    return (interval.high - interval.low) / 2 if interval.is_known else math.nan

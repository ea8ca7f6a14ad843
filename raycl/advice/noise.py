"""How far apart two settings must be before one is called better.

Over seeds it is measured: equal seeds are paired. With one seed the held-out documents show what
chance is in the text that was measured on (or their number of rows, what is to be expected), but
nothing shows how much a number would change with another seed: a spread is assumed for that, added
in squares, and said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from raycl.advice.goal import NATS, Goal
from raycl.advice.setting import Setting
from raycl.plan.validation import error_on
from raycl.results.row_losses import average_difference
from raycl.results.settings import in_common
from raycl.results.uncertainty.intervals import Interval, paired_interval

ASSUMED_SD = 0.012
"""Standard deviation (nats/token) of the difference of two settings' averages at one seed.

It is the root mean square of the six that docs/reproduction.md has of averages over three seeds:
0.015, 0.019, 0.006, 0.004, 0.005 and 0.012, of models of about a million parameters."""
_ASSUMED_SHARE = 0.005
"""Of numbers in another unit, the share of the value that is taken for it; nothing measured it."""
_ASSUMED_OF_A_TASK = 0.02
"""Of a task's score from 0 to 1: two models on 1,000 questions each, half of them right, differ by
chance with √(2 · 0.25 / 1,000)."""
_TWO_SIDED = 1.96
"""Half of a 95 % interval of the normal distribution, in standard deviations."""
ASSUMED_HALF = _TWO_SIDED * ASSUMED_SD
"""Half of the 95 % interval of such a difference (nats/token)."""


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
    ours, theirs = in_common(first.values, second.values)
    if len(ours) > 1:
        return Difference(paired_interval(ours, theirs), True)
    # With one seed in common these are compared; values of other seeds would add their spread.
    one, other = (ours[0], theirs[0]) if ours else (first.mean, second.mean)
    half = math.hypot(assumed_half(goal, second.mean), documents_half(first, second, goal))
    apart = one - other
    return Difference(Interval(apart, apart - half, apart + half, half / _TWO_SIDED, 1), False)


def documents_half(first: Setting, second: Setting, goal: Goal) -> float:
    """Half of the 95 % interval of a difference over held-out documents; 0: not known.

    Where no losses by document are stored it is what is to be expected of so many rows.
    """
    if not goal.weights or first.example.label == second.example.label:
        return 0.0
    half = measured_half(first, second, goal)
    return expected_half(first, second, goal) if math.isnan(half) else half


def measured_half(first: Setting, second: Setting, goal: Goal) -> float:
    """Half of the interval by resampling documents; NaN without losses by document."""
    return half_width(average_difference(first.example, second.example, goal.weights))


def expected_half(first: Setting, second: Setting, goal: Goal) -> float:
    """Half of the interval that docs/validation.md expects of the rows of both; 0: not known."""
    variance, length = 0.0, first.example.sequence_length
    for corpus, weight in goal.weights.items():
        rows = min(s.example.validation_rows.get(corpus, 0) for s in (first, second))
        if not rows or not length:
            return 0.0
        variance += (weight * error_on(rows, length)) ** 2
    return _TWO_SIDED * math.sqrt(variance)


def assumed_half(goal: Goal, value: float) -> float:
    """Half of the 95 % interval that is assumed of a difference at one seed, in the goal's unit."""
    if goal.unit == NATS:
        return ASSUMED_HALF
    is_a_score = not goal.unit and abs(value) <= 1
    return _TWO_SIDED * (_ASSUMED_OF_A_TASK if is_a_score else _ASSUMED_SHARE * abs(value))


def is_worse(first: Setting, second: Setting, goal: Goal) -> bool:
    """Whether the first is worse than the second beyond noise."""
    found = difference(first, second, goal)
    return found.is_clear and goal.sign * found.interval.mean > 0


def is_about_as_good(first: Setting, second: Setting, goal: Goal) -> bool:
    """Whether noise does not tell the first from the second, nor every seed shows it far behind.

    The interval of two or three seeds is so wide that large differences lie in it. So the first is
    not as good where it is behind in every seed, and by more than what is assumed to be noise.
    """
    if is_worse(first, second, goal):
        return False
    pairs = zip(*in_common(first.values, second.values), strict=True)
    behind = [goal.sign * (one - other) for one, other in pairs]
    if len(behind) < 2 or min(behind) <= 0:
        return True
    return math.fsum(behind) / len(behind) <= assumed_half(goal, second.mean)


def half_width(interval: Interval) -> float:
    """Half of an interval's width; NaN where it has no bounds."""
    return (interval.high - interval.low) / 2 if interval.is_known else math.nan

"""Whether a difference between two settings is clear, and how many more seeds would make it so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from raycl.results.uncertainty.intervals import LEVEL, Interval, paired_interval

MOST_SEEDS = 20
"""More seeds than these are not advised: the difference is then too small to be worth them."""

_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True)
class Decision:
    """A paired difference, and what it allows to say."""

    difference: Interval
    """The mean over seeds of the first minus the second, with its interval."""
    more: int | None = None
    """Further seeds with which the interval would exclude zero, if mean and sd stay as they are.

    0 where it does already; None where `MOST_SEEDS` are not enough, or where nothing is known."""

    @property
    def is_clear(self) -> bool:
        """Whether the interval excludes zero."""
        return self.difference.excludes_zero

    @property
    def text(self) -> str:
        """The decision in words, for people: `undecided: two more seeds would do`."""
        if self.is_clear:
            return "clear"
        if not self.difference.is_known:
            return "undecided: one seed shows no noise"
        if self.more is None:
            return f"undecided: the difference is below what {MOST_SEEDS} seeds can show"
        would = "seed would do" if self.more == 1 else "seeds would do"
        number = _WORDS[self.more] if self.more < len(_WORDS) else str(self.more)
        return f"undecided: {number} more {would}"


def decide(first: Sequence[float], second: Sequence[float], level: float = LEVEL) -> Decision:
    """Compare two settings by their values: the same seed stands at the same place.

    Pairs with a value that is NaN are left out. Raises ValueError where the lengths differ.
    """
    difference = paired_interval(first, second, level)
    if difference.excludes_zero:
        return Decision(difference, 0)
    needed = seeds_needed(difference.mean, difference.sd, level)
    return Decision(difference, None if needed is None else max(needed - difference.n, 1))


def seeds_needed(mean: float, sd: float, level: float = LEVEL) -> int | None:
    """The smallest n at which mean ± t(n − 1) · sd / √n excludes zero; None above `MOST_SEEDS`.

    `mean` and `sd` are those of paired differences, in one unit. None too where they are NaN or
    the mean is zero. With such a mean and sd the interval excludes zero about every second time.
    """
    if math.isnan(mean) or math.isnan(sd) or mean == 0:
        return None
    from scipy.stats import t  # tables with one seed are printed without it

    for n in range(2, MOST_SEEDS + 1):
        if float(t.ppf((1 + level) / 2, n - 1)) * sd / math.sqrt(n) < abs(mean):
            return n
    return None

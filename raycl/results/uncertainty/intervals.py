"""Confidence intervals of means and of paired differences, by Student's t distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.95
"""The share of intervals that hold the true mean, where nothing else is said."""


@dataclass(frozen=True)
class Interval:
    """A mean with what is known of its uncertainty, in the unit of the values.

    `low` and `high` are NaN where fewer than two values are known, and `sd` is then NaN too.
    """

    mean: float
    low: float = math.nan
    high: float = math.nan
    sd: float = math.nan
    """Sample standard deviation of the values, with n − 1."""
    n: int = 1

    @property
    def is_known(self) -> bool:
        """Whether there is an interval at all."""
        return not math.isnan(self.low)

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside: a difference is then clear at this level."""
        return self.is_known and (self.low > 0 or self.high < 0)


def mean_interval(values: Sequence[float], level: float = LEVEL) -> Interval:
    """The mean of independent values, with the interval mean ± t(n − 1) · sd / √n.

    Values that are NaN are left out. Source: Student, "The probable error of a mean", 1908.
    """
    known = [value for value in values if not math.isnan(value)]
    n = len(known)
    if n == 0:
        return Interval(math.nan, n=0)
    mean = math.fsum(known) / n
    if n == 1:
        return Interval(mean)
    # Imported here: tables are printed without it where there is one seed.
    from scipy.stats import t

    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in known) / (n - 1))
    half = float(t.ppf((1 + level) / 2, n - 1)) * sd / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, sd, n)


def paired_interval(
    first: Sequence[float], second: Sequence[float], level: float = LEVEL
) -> Interval:
    """The mean of `first` − `second`, pair by pair: the same seed stands at the same place.

    Raises ValueError where the lengths differ.
    """
    pairs = zip(first, second, strict=True)
    return mean_interval([one - other for one, other in pairs], level)

"""Mean and spread over seeds, and how they are written."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

from raycl.reproduction.evidence.paired import Values

# A table, and not scipy.stats.t: for nine numbers a base install should not bring tens of megabytes
# that nothing else in it needs, and verdicts should not depend on which extras are installed. The
# tests compare the table with scipy where an extra has brought it.
_STUDENTS_T = {
    1: 12.706,
    2: 4.303,
    3: 3.182,
    4: 2.776,
    5: 2.571,
    6: 2.447,
    7: 2.365,
    8: 2.306,
    9: 2.262,
}
"""Degrees of freedom -> 97.5 % quantile of Student's t, which gives two-sided 95 % intervals.

Source: NIST/SEMATECH e-Handbook of Statistical Methods, section 1.3.6.7.2.
"""


@dataclass(frozen=True)
class Spread:
    """Mean over seeds, sample standard deviation (NaN for one seed), and how many seeds."""

    mean: float
    deviation: float
    seeds: int

    @property
    def error(self) -> float:
        """Standard error of the mean."""
        return self.deviation / math.sqrt(self.seeds)

    @property
    def half_interval(self) -> float:
        """Half the width of the mean's 95 % interval; infinite for one seed.

        Beyond ten seeds the value for ten is used, which is a little too wide.
        """
        if self.seeds < 2:
            return math.inf
        freedom = min(self.seeds - 1, max(_STUDENTS_T))
        return _STUDENTS_T[freedom] * self.error


def spread_of(values: Values) -> Spread | None:
    """Mean and deviation over the seeds; None where there is no value."""
    if not values:
        return None
    numbers = list(values.values())
    deviation = statistics.stdev(numbers) if len(numbers) > 1 else math.nan
    return Spread(statistics.fmean(numbers), deviation, len(numbers))


def signed(value: float) -> str:
    """A difference with its sign and three places: `+0.210`."""
    return f"{value:+.3f}".replace("-", "−")


def difference_text(values: Values) -> str:
    """`+0.210 ± 0.012 (3 seeds)`: mean and standard deviation of a paired difference."""
    spread = spread_of(values)
    if spread is None:
        return "–"
    if spread.seeds == 1:
        return f"{signed(spread.mean)} (1 seed)"
    return f"{signed(spread.mean)} ± {spread.deviation:.3f} ({spread.seeds} seeds)"

"""Finds by bisection the last number for which a property holds."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable


def last_where(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The largest number of low … high for which `holds` is true.

    It must be true for `low`, and once it is false it must stay false for all larger numbers.
    """
    # `bisect` needs sorted values. "The property fails" is False for the first numbers above `low`
    # and True for all others, so these values are sorted.
    return low + bisect_left(range(low + 1, high + 1), True, key=lambda number: not holds(number))

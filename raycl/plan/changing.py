"""Shares of the new data that change inside a stage, from one mixture to another. Pure integers.

A stage's new rows are counted from its first. Among the first n of them, the exact number of a
source with the shares f and g is f · (n − Y(n)) + g · Y(n), where Y(n) = ∫₀ⁿ x and x rises from 0
to 1: linearly between two places (so that Y is a quadratic in n there), or by equal steps at some
places. What sources have supplied after n rows is a closed form of n. Guarantees:

- counts are never negative, sum to n, and never go back;
- a source that gives at least one row in every step stays less than one row from its exact number,
  and so does a single rarer one (or one of two that are all there is), by at most half a row;
- several rarer ones are split as two fixed mixtures, the rows before and those after the change,
  each by pairs (see `pairing`): they stay less than four rows from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor, lcm
from typing import Any, Literal

import numpy as np

from raycl.plan.pairing import Pair, pair_up, split_pair
from raycl.plan.rounding import Counts, completed

Shares = tuple[Fraction, Fraction]
"""A source's share before the change and after it."""


@dataclass(frozen=True)
class Change:
    """Where a stage goes over from one mixture to another, in whole steps of the stage."""

    how: Literal["linear", "stepped"]
    at: tuple[int, ...]
    """Linear: where the change begins and ends. Stepped: where it goes on, by equal steps."""

    def after(self, rows: Any, per_step: Fraction) -> tuple[Any, int]:
        """Y of the module's docstring: its numerators for each of `rows`, and their denominator.

        A step has `per_step` new rows.
        """
        unit, scale = per_step.numerator, per_step.denominator
        places = np.asarray(rows).astype(object) * scale  # Python's integers, of any size
        if self.how == "stepped":
            passed = sum(np.maximum(places - at * unit, 0) for at in self.at)
            return passed, scale * len(self.at)
        begin, end = (at * unit for at in self.at)
        rising = np.minimum(np.maximum(places - begin, 0), end - begin)
        risen = np.maximum(places - end, 0)
        return rising * rising + 2 * (end - begin) * risen, 2 * scale * (end - begin)

    def mean(self, steps: int) -> Fraction:
        """The share of the second mixture in the new data of the first `steps` steps."""
        if not steps:
            return Fraction(0)
        numerator, denominator = self.after(np.array([steps]), Fraction(1))
        return Fraction(int(numerator[0]), denominator * steps)

    def mean_between(self, first: int, stop: int) -> Fraction:
        """The share of the second mixture in the new data of the steps first … stop − 1."""
        if first == stop:
            return Fraction(0)
        return (self.mean(stop) * stop - self.mean(first) * first) / (stop - first)


class ChangingShares:
    """Splits the new rows of a stage by shares that change; each of both mixtures sums to 1."""

    def __init__(self, shares: Sequence[Shares], change: Change, per_step: Fraction) -> None:
        self._shares, self._change, self._per_step = shares, change, per_step
        # A step has at least ⌊per_step⌋ new rows.
        enough = [min(pair) * floor(per_step) >= 1 for pair in shares]
        self._common = [i for i, often in enumerate(enough) if often]
        self._rare = [i for i, often in enumerate(enough) if not often]
        self._tops = [pair_up([(shares[i][end], i) for i in self._rare], None) for end in (0, 1)]

    def split(self, rows: Counts) -> Counts:
        """Rows of each source [sources, …] among the first `rows` new ones."""
        counts = np.zeros((len(self._shares), *rows.shape), dtype=np.int64)
        exact = _Exact(rows, *self._change.after(rows, self._per_step))
        for top, count in self._rare_parts(exact, rows):
            split_pair(top, count, counts)
        if self._common:
            parts = [exact.parts(self._shares[i]) for i in self._common]
            floors, remainders = zip(*parts, strict=True)
            counts[self._common] = completed(floors, remainders, rows - counts.sum(axis=0))
        return counts

    def _rare_parts(self, exact: _Exact, rows: Counts) -> Iterator[tuple[Pair | int, Counts]]:
        """What rare sources have together, as parts that are split further by fixed shares.

        Halves of two parts are rounded in opposite ways. So common sources, which make up the rest,
        have less than a row more or less than their exact sum, and floors and ceilings are enough.
        """
        if len(self._rare) == 1 or (len(self._rare) == 2 and not self._common):
            first, *second = self._rare
            count = exact.nearest(self._shares[first])
            yield first, count
            for other in second:
                yield other, rows - count
            return
        before, after = (sum((w for w, _ in tops), Fraction(0)) for tops in self._tops)
        late = exact.nearest((Fraction(0), after), half_up=False)
        early = exact.nearest((before, Fraction(0))) if self._common else rows - late
        for tops, count in zip(self._tops, (early, late), strict=True):
            for _, top in tops:
                yield top, count


@dataclass(frozen=True)
class _Exact:
    """Exact numbers of rows of sources among the first `rows` new ones."""

    rows: Counts
    after: Any
    denominator: int

    def _of(self, shares: Shares) -> tuple[Any, int]:
        """Numerators and denominator of f · (rows − Y) + g · Y."""
        common = lcm(*(share.denominator for share in shares))
        first, last = (int(share * common) for share in shares)
        before = self.rows.astype(object) * self.denominator - self.after
        return first * before + last * self.after, common * self.denominator

    def nearest(self, shares: Shares, half_up: bool = True) -> Counts:
        numerators, denominator = self._of(shares)
        if half_up:
            found = (2 * numerators + denominator) // (2 * denominator)
        else:
            found = -((denominator - 2 * numerators) // (2 * denominator))
        return np.asarray(found, dtype=np.int64)

    def parts(self, shares: Shares) -> tuple[Counts, Any]:
        """The floors, and the remainders as floating-point numbers below 1."""
        numerators, denominator = self._of(shares)
        remainders = numerators % denominator / denominator
        return np.asarray(numerators // denominator, np.int64), np.asarray(remainders, np.float64)

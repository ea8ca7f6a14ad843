"""Counts times exact shares, rounded to whole rows. Pure integers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


def divide(counts: Counts, share: Fraction) -> tuple[Counts, Any]:
    """⌊counts × share⌋ and the remainder in units of 1/denominator; both are exact."""
    numerator, denominator = share.numerator, share.denominator
    if denominator >= 2**60:
        product = counts.astype(object) * numerator
        return np.asarray(product // denominator, dtype=np.int64), product % denominator
    # Below 2^50 rows the floating-point quotient is at most one off. The remainder tells: it is
    # less than 2^62, so 64-bit arithmetic, exact modulo 2^64, finds it though the products wrap.
    guess = np.floor(counts * (numerator / denominator)).astype(np.int64)
    rest = counts * numerator - guess * denominator
    correction = rest // denominator
    return guess + correction, rest - correction * denominator


def rounded(counts: Counts, share: Fraction, half_up: bool = True) -> Counts:
    """The whole numbers nearest to counts × share, exact."""
    floor, rest = divide(counts, share)
    up = 2 * rest >= share.denominator if half_up else 2 * rest > share.denominator
    nearest: Counts = floor + up.astype(np.int64)
    return nearest


def round_to_total(rows: Counts, shares: Sequence[Fraction], totals: Counts) -> list[Counts]:
    """⌊rows × share⌋ for each share; what is missing to `totals` goes to the largest remainders."""
    parts = [divide(rows, share) for share in shares]
    remainders = [
        np.asarray(rest / share.denominator, dtype=np.float64)
        for (_, rest), share in zip(parts, shares, strict=True)
    ]
    return completed([floor for floor, _ in parts], remainders, totals)


def completed(
    floors: Sequence[Counts], remainders: Sequence[NDArray[np.float64]], totals: Counts
) -> list[Counts]:
    """The floors; what is missing to `totals` goes to the largest remainders, one row to each."""
    below = np.stack(floors)
    missing = totals - below.sum(axis=0)
    # A stable sort breaks ties by position, the same way at every step.
    order = np.argsort(-np.stack(remainders), axis=0, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(len(floors))[:, None], axis=0)
    return list(below + (rank < missing))

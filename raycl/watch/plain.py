"""Numbers and times as JSON can hold them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

_DIGITS = 6
"""Significant digits of a point of a curve: more than a screen shows, and half of the bytes."""


def finite(value: Any) -> float | None:
    """The number as it is; None where it is none, NaN or infinite."""
    if value is None or isinstance(value, str):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def rounded(value: float) -> float | None:
    """A point of a curve, to six significant digits; None where it is not finite."""
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None


def moment(at: datetime | None) -> str | None:
    """A time in UTC, to the second."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="seconds")


def total(values: Iterable[float | None]) -> float | None:
    """The sum of those that are known; None where none is."""
    known = [value for value in values if value is not None]
    return math.fsum(known) if known else None

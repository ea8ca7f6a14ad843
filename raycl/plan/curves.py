"""The curves along which a learning rate falls from one value to another; schedules use them.

A curve gives the same bits on every machine (see `exact_math`), because states are named by the
exact bits of their rates.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from raycl.plan.exact_math import cos_pi, exp

Array = NDArray[np.float64]
Shape = Literal["linear", "cosine", "1-sqrt", "inverse-sqrt", "exponential"]


def descend(
    start: float, end: float, position: Array, shape: Shape, steepness: float = 10.0
) -> Array:
    """The rate at `position` (any shape, 0 … 1, clipped) on the way from `start` to `end`.

    cosine: end + (start − end)/2 · (cos πx + 1) (paper Eq. 2). inverse-sqrt: with g(x) =
    1/√(1 + αx) − 1 and steepness α, start + (end − start) · g(x)/g(1) (paper §1.5). exponential:
    start · (end/start)^x (paper §1.5), which needs rates above 0. 1-sqrt: end + (start − end) ·
    (1 − √x) (Hägele et al. 2024, arXiv 2405.18392). Raises ValueError for other shapes.
    """
    x = np.clip(np.asarray(position, dtype=np.float64), 0.0, 1.0)
    if shape == "cosine":
        return end + (start - end) / 2 * (cos_pi(x) + 1)
    if shape == "linear":
        return end + (start - end) * (1 - x)
    if shape == "1-sqrt":
        return end + (start - end) * (1 - np.sqrt(x))
    if shape == "inverse-sqrt":
        return start + (end - start) * (_inverse_root(x, steepness) / _inverse_root(1.0, steepness))
    if shape == "exponential":
        # Decimal rounds its logarithm correctly, so the result is the same on every machine.
        return start * exp(x * float((Decimal(end) / Decimal(start)).ln()))
    raise ValueError(f"no shape {shape!r}")


def _inverse_root(x: Array | float, steepness: float) -> Array:
    """g(x) = 1/√(1 + αx) − 1 with steepness α."""
    return np.asarray(1 / np.sqrt(1 + steepness * np.asarray(x, dtype=np.float64)) - 1)

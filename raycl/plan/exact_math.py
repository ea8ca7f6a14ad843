"""cos and exp whose every bit is the same on every machine.

A state is named by the exact bits of its learning rates, and the head that plans a sweep need not
have the processor of the workers. The C library's and NumPy's cos and exp differ between
processors in the last bit (fused multiply-add, vector variants); +, −, ×, ÷ do not, as IEEE 754
fixes them. So the two functions are built from those alone, on arrays, one operation at a time.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_SINE = [(-1) ** k / math.factorial(2 * k + 1) for k in range(13)]
_EXP = [1 / math.factorial(k) for k in range(19)]


def _horner(coefficients: list[float], x: Array) -> Array:
    total = np.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = total * x
        total = total + coefficient
    return total


def cos_pi(x: Array) -> Array:
    """cos(π·x) for x in [0, 1], within 4e-16; exactly 1, 0 and −1 at 0, 1/2 and 1."""
    angle = np.pi * (0.5 - np.asarray(x, dtype=np.float64))
    sine = angle * _horner(_SINE, angle * angle)
    return np.clip(sine, -1.0, 1.0)


def exp(x: Array) -> Array:
    """e^x for |x| < 700, within 1e-15 of its value."""
    x = np.asarray(x, dtype=np.float64)
    powers = np.rint(x * (1 / math.log(2)))
    # ln 2 in two pieces, the first short enough that powers × piece is exact.
    rest = (x - powers * 0.693147180369123816490) - powers * 1.90821492927058770002e-10
    return np.ldexp(_horner(_EXP, rest), powers.astype(np.int64))

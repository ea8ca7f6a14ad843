"""cos and exp that give the same bits on every machine.

A state is named by the exact bits of its learning rates, and the head that plans a sweep may have
another processor than the workers. cos and exp of the C library and of NumPy differ between
processors in the last bit (fused multiply-add, vector variants). +, −, × and ÷ do not differ,
because IEEE 754 fixes them. So both functions here use these four alone, on arrays, one operation
at a time.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Coefficients of the Taylor series: of sin(a)/a in powers of a², and of e^r in powers of r.
_SINE = [(-1) ** k / math.factorial(2 * k + 1) for k in range(13)]
_EXP = [1 / math.factorial(k) for k in range(19)]


def _horner(coefficients: list[float], x: Array) -> Array:
    total = np.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        # Each is a NumPy call of its own, so that no compiler fuses them into one multiply-add.
        total = total * x
        total = total + coefficient
    return total


def cos_pi(x: Array) -> Array:
    """cos(π·x) for x in [0, 1], within 4e-16; exactly 1, 0 and −1 at 0, 1/2 and 1."""
    # cos(πx) = sin(π(½ − x)), whose angle lies in [−π/2, π/2], where the series converges fast.
    angle = np.pi * (0.5 - np.asarray(x, dtype=np.float64))
    sine = angle * _horner(_SINE, angle * angle)
    return np.clip(sine, -1.0, 1.0)


def exp(x: Array) -> Array:
    """e^x for |x| < 700, within 1e-15 of its value."""
    x = np.asarray(x, dtype=np.float64)
    powers = np.rint(x * (1 / math.log(2)))
    # ln 2 is split in two pieces. The first is so short that powers × piece is exact.
    rest = (x - powers * 0.693147180369123816490) - powers * 1.90821492927058770002e-10
    return np.ldexp(_horner(_EXP, rest), powers.astype(np.int64))

"""cos and exp from exactly rounded operations: close to the true values, and always the same."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from hashlib import sha256

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from raycl.plan.exact_math import cos_pi, exp

settings.register_profile("unhurried", deadline=None)  # other tests may load the machine
settings.load_profile("unhurried")

PI = Fraction("3.14159265358979323846264338327950288419716939937510582097494")
UNIT = st.floats(0, 1)


def _cos_pi(x: float) -> Fraction:
    """cos(π·x) far more exactly than in floating point, by its series."""
    square = Fraction(round((PI * Fraction(x)) ** 2 * 10**50), 10**50)
    total, term = Fraction(1), Fraction(1)
    for k in range(1, 26):
        term = Fraction(round(-term * square / ((2 * k - 1) * (2 * k)) * 10**50), 10**50)
        total += term
    return total


@given(UNIT)
def test_cos_pi_is_within_its_bound(x: float) -> None:
    value = float(cos_pi(np.array([x]))[0])
    assert abs(Fraction(value) - _cos_pi(x)) <= Fraction(4, 10**16)
    assert abs(value - math.cos(math.pi * x)) < 8e-16  # math's own error comes on top
    assert -1 <= value <= 1


def test_cos_pi_on_a_grid() -> None:
    x = np.concatenate([np.linspace(0, 1, 2001), np.geomspace(1e-17, 1, 300)])
    worst = max(
        abs(Fraction(float(v)) - _cos_pi(float(p))) for v, p in zip(cos_pi(x), x, strict=True)
    )
    assert worst <= Fraction(4, 10**16)


def test_cos_pi_is_exact_at_the_ends_and_in_the_middle() -> None:
    assert cos_pi(np.array([0.0, 0.5, 1.0])).tolist() == [1.0, 0.0, -1.0]


@given(st.floats(-699.9, 699.9))
def test_exp_is_within_its_bound(x: float) -> None:
    value = float(exp(np.array([x]))[0])
    with localcontext(prec=50):
        true = Fraction(Decimal(x).exp())
    assert abs(Fraction(value) / true - 1) <= Fraction(1, 10**15)
    assert math.isclose(value, math.exp(x), rel_tol=2e-15)


def test_exp_of_zero_is_one() -> None:
    assert exp(np.array([0.0, -0.0])).tolist() == [1.0, 1.0]


@given(hnp.arrays(np.float64, st.integers(1, 70), elements=UNIT), st.integers(0, 8))
def test_neither_length_nor_place_in_the_array_matters(x: np.ndarray, cut: int) -> None:
    """Vector units treat the ends of arrays and unaligned ones differently; the bits must not."""
    for function in (cos_pi, exp):
        whole = function(x)
        alone = np.array([float(function(np.array([v]))[0]) for v in x])
        assert whole.tobytes() == alone.tobytes()
        assert function(x[cut:]).tobytes() == whole[cut:].tobytes()
        assert function(x[::2]).tobytes() == whole[::2].tobytes()


def test_the_bits_are_these_on_every_machine() -> None:
    """Names of stored states depend on them."""
    x = np.arange(4097) / 4096
    assert sha256(cos_pi(x).tobytes()).hexdigest()[:16] == "b42f929bf35f46d1"
    assert sha256(exp(x * 100 - 50).tobytes()).hexdigest()[:16] == "9ed0664ef51d50fe"

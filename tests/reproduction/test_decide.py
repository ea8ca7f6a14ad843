"""The rules that decide claims, on numbers by hand."""

from __future__ import annotations

import math
import statistics

import pytest

from raycl.reproduction.claims.decide import (
    FAILS,
    HOLDS,
    NOT_RUN,
    UNDECIDED,
    Margin,
    Verdict,
    is_above,
    is_within,
)
from raycl.reproduction.claims.spread import _STUDENTS_T, spread_of
from raycl.reproduction.evidence.paired import lowest, minus


def test_the_rule_of_direction() -> None:
    assert is_above({1: 0.1, 2: 0.11, 3: 0.12}, "x").verdict == HOLDS
    assert is_above({1: -0.1, 2: -0.11, 3: -0.12}, "x").verdict == FAILS
    assert is_above({1: 0.1, 2: 0.11, 3: -0.01}, "x").verdict == UNDECIDED  # one other sign
    assert is_above({1: 0.001, 2: 0.002, 3: 0.02}, "x").verdict == UNDECIDED  # 1.3 errors
    assert is_above({1: 0.1, 2: 0.1}, "x").verdict == UNDECIDED
    assert is_above({}, "x") == NOT_RUN


def within(*values: float, effect: float = 1.0) -> Verdict:
    gap = {seed: effect + 0.01 * seed for seed in range(len(values))}
    return is_within(dict(enumerate(values)), Margin(0.1, gap, "gap"), "x")


def test_the_rule_of_margins() -> None:
    assert within(0.05, 0.06, 0.07).verdict == HOLDS
    assert within(-5.0, -5.1, -5.2).verdict == HOLDS
    assert within(0.30, 0.31, 0.32).verdict == FAILS
    assert within(0.00, 0.09, 0.18).verdict == UNDECIDED  # the interval is too wide
    assert within(0.10, 0.11, 0.12).verdict == UNDECIDED  # at the margin
    assert within(0.05, 0.06).verdict == UNDECIDED
    nothing_at_stake = within(0.0, 0.0, 0.0, effect=-1.0)
    assert nothing_at_stake.verdict == UNDECIDED
    assert "gap, which it is measured by, is not clear" in nothing_at_stake.how


def test_the_spread_over_seeds() -> None:
    spread = spread_of({1: 2.0, 2: 2.2, 5: 2.7})
    assert spread is not None
    assert spread.mean == pytest.approx(2.3)
    assert spread.deviation == pytest.approx(statistics.stdev([2.0, 2.2, 2.7]))
    assert spread.error == pytest.approx(0.360555 / math.sqrt(3), abs=1e-5)
    assert spread.half_interval == pytest.approx(4.303 * 0.208167, abs=1e-4)
    one = spread_of({1: 2.0})
    assert one is not None
    assert math.isinf(one.half_interval)
    assert spread_of({}) is None


def test_the_quantiles_are_students() -> None:
    student = pytest.importorskip("scipy.stats").t
    for freedom, quantile in _STUDENTS_T.items():
        assert quantile == pytest.approx(student.ppf(0.975, freedom), abs=5e-4)


def test_only_seeds_with_both_sides_are_paired() -> None:
    assert minus({1: 3.0, 2: 4.0}, {2: 1.0, 3: 0.0}) == {2: 3.0}
    assert lowest([{1: 3.0, 2: 4.0}, {2: 1.0, 3: 0.0}]) == {2: 1.0}
    assert lowest([]) == {}

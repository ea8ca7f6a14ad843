"""What interruptions cost, and how often to save."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from raycl.plan.spot import best_interval, expected_waste

SECONDS = st.floats(1, 1e7)


def test_rare_interruptions_cost_half_an_interval_and_a_restart() -> None:
    # Once in 1,000 hours, a state every hour, ten minutes to restart, 100 hours of training: 0.1
    # interruptions of 40 minutes.
    hour = 3600.0
    waste = expected_waste(100 * hour, hour, 1 / (1000 * hour), hour / 6)
    assert waste == pytest.approx(0.1 * (hour / 2 + hour / 6), rel=2e-3)


def test_no_interruptions_and_no_training_cost_nothing() -> None:
    assert expected_waste(100.0, 10.0, 0.0, 60.0) == 0
    assert expected_waste(0.0, 10.0, 1.0, 60.0) == 0


def test_a_node_that_never_reaches_a_state_never_ends() -> None:
    assert expected_waste(1e6, 1e6, 1.0, 60.0) == math.inf


@given(SECONDS, SECONDS, st.floats(1e-9, 1e-2), st.floats(0, 3600))
def test_it_is_never_less_than_the_first_order(
    seconds: float, interval: float, rate: float, restart: float
) -> None:
    waste = expected_waste(seconds, interval, rate, restart)
    first = rate * seconds * (min(interval, seconds) / 2 + restart)
    assert waste >= first * (1 - 1e-6) - 1e-9 * seconds


@given(SECONDS, st.floats(1e-9, 1e-2), st.floats(0, 3600))
def test_saving_more_often_wastes_less(seconds: float, rate: float, restart: float) -> None:
    often, seldom = (expected_waste(seconds, seconds / n, rate, restart) for n in (10, 2))
    assert often <= seldom


@given(st.floats(0.1, 600), st.floats(1e-9, 1e-3))
def test_no_other_interval_costs_less_than_the_best(save: float, rate: float) -> None:
    """Time lost in a second: saves, and Daly's repetition, of which the save is a part."""
    assume(save * rate < 0.01)
    best = best_interval(save, rate)

    def cost(interval: float) -> float:
        return math.expm1(rate * (interval + save)) / (rate * interval)

    for factor in (0.8, 1.25):
        assert cost(best) <= cost(best * factor)


def test_the_best_interval_is_about_youngs() -> None:
    # A save of 10 s, an interruption in 20 hours: √(2 · 10 · 72,000) = 1,200 s.
    assert best_interval(10.0, 1 / 72_000) == pytest.approx(1200, rel=0.01)


def test_a_save_that_takes_longer_than_machines_stay_is_made_as_seldom_as_they_go() -> None:
    assert best_interval(1000.0, 1 / 100) == 100

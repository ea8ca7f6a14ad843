"""How often a state is written: every so many steps, or after some time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from raycl.errors import FieldError
from raycl.plan.disk import StateNumbers, disk_use
from raycl.plan.every import most_times, parse_every, usual_steps
from raycl.plan.execution import Execution
from tests.helpers.training_runs import make_task

TEN = timedelta(minutes=10)


def test_steps_and_times_are_told_apart() -> None:
    written = {400: 400, "1k": 1000, "400 steps": 400, "10 minutes": TEN, "0.5 h": 3 * TEN}
    assert [parse_every(value) for value in written] == list(written.values())
    assert parse_every("90s") == timedelta(seconds=90)
    with pytest.raises(FieldError, match=r"minutes or millions.*rite '10 minutes' or '10000000"):
        parse_every("10m")
    for value in (0, -1, "0 s", "often", "10 steps a day", 2.5, True):
        with pytest.raises(FieldError):
            parse_every(value)


def test_the_default_is_a_time_and_is_written_as_it_is_read() -> None:
    assert Execution().save_every == TEN
    for value in (None, 7, "90 seconds"):
        made = Execution.model_validate({"save_every": value})
        assert Execution.model_validate(made.model_dump(mode="json")) == made
    assert Execution().model_dump(mode="json")["save_every"] == "600 seconds"
    with pytest.raises(ValidationError):
        Execution.model_validate({"save_every": 0})


def test_the_steps_between_two_states() -> None:
    assert usual_steps(None, 50, 2.0) == 50
    assert usual_steps(7, 50, 2.0) == 7
    assert [usual_steps(TEN, 500, seconds) for seconds in (2.0, 0.1, 900.0)] == [300, 500, 1]


def test_a_time_may_be_over_after_each_step_but_few_states_stay() -> None:
    assert [most_times(every, 2, 10) for every in (None, 3, TEN)] == [0, 3, 7]
    assert most_times(TEN, 2, 3) == 0
    often = make_task(stop=6, save_every=TEN, keep_last=2)
    assert disk_use(often, False, False, StateNumbers(100, 100)).meanwhile == 3 * 1200

"""Ranges of a search: what may be written, and how proposed values are rounded and written."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raycl.errors import InputError
from raycl.recipe import parse_recipe
from raycl.recipe.definition import definition_of
from raycl.recipe.schema.ranges import Range, range_of
from raycl.recipe.space import Space, check_space, parameter, rounded, space_of, value_at, written
from raycl.units import parse_number
from tests.helpers.recipe_data import WHERE, recipe_data

GRID: dict[str, Any] = {
    "new.schedule.max_lr": {"log": ["1e-4", "3e-3"]},
    "new.replay": {"uniform": ["0%", "50%"]},
    "new.steps": {"integers": [10, 400]},
    "new.at_end": ["repeat", "stop"],
}


def searching(sweep: Any = None, **search: Any) -> dict[str, Any]:
    return recipe_data(sweep=GRID if sweep is None else sweep, search={"trials": 4, **search})


def space() -> Space:
    return space_of(parse_recipe(searching(), WHERE))


bounds = st.tuples(
    st.sampled_from(["log", "uniform", "integers"]),
    st.integers(1, 10**6),
    st.integers(1, 10**6),
    st.integers(0, 7),
)


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    kind, low, width, digits = draw(bounds)
    scale = Fraction(1 if kind == "integers" else 10**digits)
    percent = kind != "integers" and draw(st.booleans())
    return Range(kind, low / scale, (low + width) / scale, percent)  # type: ignore[arg-type]


@given(ranges(), st.floats(0, 1))
def test_a_value_is_written_within_the_bounds_and_stays_what_it_is(axis: Range, at: float) -> None:
    value = float(axis.low) + at * float(axis.high - axis.low)
    text = written(axis, value)
    number = parse_number(text)
    assert axis.low <= number <= axis.high
    assert number == rounded(axis, value)
    assert rounded(axis, number) == number
    assert written(axis, number) == text
    assert str(text).endswith("%") == axis.percent
    error: Fraction = abs(number - Fraction(value))
    widest = max((axis.high - axis.low) / 100, axis.low / 10**9, Fraction(1))
    assert error <= widest


@pytest.mark.parametrize(
    ("axis", "value", "right"),
    [
        ({"log": ["1e-4", "3e-3"]}, 0.00031234, 0.000312),
        ({"log": ["1e-4", "3e-3"]}, 0.0012345, 0.00123),
        ({"uniform": ["0%", "50%"]}, 0.12345, "12.3%"),
        ({"uniform": ["0%", "50%"]}, 0.5, "50%"),
        ({"uniform": [0.9, 0.999]}, 0.94444, 0.9444),
        ({"uniform": [0.99, 0.999]}, 0.99444, 0.99444),
        ({"integers": [100, 400]}, 123, 123),
        ({"integers": ["1M", "5M"]}, 1_234_567, 1_230_000),
        ({"integers": [1, 3]}, 2, 2),
    ],
)
def test_values_have_three_digits_that_count(axis: Any, value: float, right: Any) -> None:
    assert written(range_of(axis), value) == right
    assert type(written(range_of(axis), value)) is type(right)


def test_a_space_draws_points_that_fit_it() -> None:
    points = [space().draw(random.Random(seed)) for seed in range(200)]
    assert all(space().fits(point) for point in points)
    assert {point["new.at_end"] for point in points} == {"repeat", "stop"}
    rates = sorted(point["new.schedule.max_lr"] for point in points)
    assert 4e-4 < rates[100] < 7e-4  # the middle of the logarithms is 5.5e-4
    assert points == [space().draw(random.Random(seed)) for seed in range(200)]


def test_points_are_equal_however_their_numbers_are_written() -> None:
    one = {"new.schedule.max_lr": "3e-4", "new.replay": "5%", "new.steps": 20, "new.at_end": "stop"}
    other = {**one, "new.schedule.max_lr": 0.0003, "new.replay": 0.05}
    assert space().key(one) == space().key(other)
    assert not space().fits({**one, "new.at_end": "error"})
    assert not space().fits({**one, "new.steps": 20.5})
    assert not space().fits({**one, "new.steps": 401})
    assert not space().fits({**one, "new.replay": "cosine"})
    assert not space().fits({"new.steps": 20})


def test_samplers_see_numbers_and_give_values_back() -> None:
    axes = space().axes
    assert parameter(axes["new.at_end"], "stop") == 1
    assert value_at(axes["new.at_end"], 1) == "stop"
    assert parameter(axes["new.replay"], "12.5%") == 0.125
    assert value_at(axes["new.replay"], 0.125) == "12.5%"
    with pytest.raises(ValueError, match="error"):
        parameter(axes["new.at_end"], "error")


@pytest.mark.parametrize(
    ("grid", "search", "message"),
    [
        ({"new.replay": {"uniform": [0, 1, 2]}}, {}, "where two bounds stand.*Write"),
        ({"new.replay": {"uniform": ["50%", "5%"]}}, {}, "not in order. Exchange"),
        ({"new.replay": {"uniform": ["5%", 0.05]}}, {}, "are equal. Give two bounds that differ"),
        ({"new.schedule.max_lr": {"log": ["1e-400", 1]}}, {}, "too close to 0.*above 1e-300"),
        ({"new.replay": {"uniform": [0, "1e-400"]}}, {}, "too close to 0.*above 1e-300"),
        ({"new.replay": {"log": ["0%", "5%"]}}, {}, "logarithm has no bound 0%. Begin above 0"),
        ({"new.replay": {"lgo": [1, 2]}}, {}, "neither a list nor a range. Write"),
        ({"new.steps": {"integers": [1.5, 3]}}, {}, "no whole numbers. Give {uniform"),
        ({"new.steps": {"integers": ["one", 3]}}, {}, "sweep.new.steps: 'one' is not a number"),
        ({"new.replay": "5%"}, {}, "sweep.new.replay is '5%'. Give a list"),
        ([GRID, GRID], {}, "search needs one grid in `sweep`, and there are 2"),
        ([], {}, "search needs one grid in `sweep`, and there are 0"),
        ({"label": "x"}, {}, "search needs a field to search"),
        (None, {"trials": 0}, "search.trials is 0.*Give more than 0"),
        (None, {"trials": None}, "neither `trials` nor `budget`. Write"),
        (None, {"sampler": "tpx"}, "no sampler 'tpx'. Give random, tpe, nsga2, gp, grid, or"),
        (None, {"sampler": "tune:"}, "no sampler 'tune:'. Give"),
        (None, {"budget": {}}, "search.budget is empty. Give tokens, hours or dollars"),
        (None, {"budget": {"tokens": 0}}, "search.budget.tokens is 0"),
        (None, {"objective": []}, "names nothing. Give a corpus"),
        (None, {"objective": ["old", "old"]}, "names 'old' twice"),
        (None, {"objective": "task/x"}, "Write {maximize: task/x}, or {minimize"),
        (
            None,
            {"objective": {"maximize": ["task/x", "task/x (9 questions)"]}},
            "Ask a task one number of questions",
        ),
        (None, {"objective": ["old", "new"], "sampler": "tune:BayesOptSearch"}, "follow one. Give"),
        (None, {"early_stopping": {"stage": "nwe"}}, "no such stage. Give one of: old, new"),
        (None, {"early_stopping": {"stage": "new", "factor": 1}}, "factor is 1.*Give 2 or more"),
        (None, {"triels": 3}, "search.triels: unknown field. Did you mean 'trials'"),
    ],
)
def test_what_cannot_be_searched_is_refused_with_a_remedy(
    grid: Any, search: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        definition_of(searching(grid, **search), WHERE)


def test_a_range_without_a_search_is_refused() -> None:
    with pytest.raises(InputError, match=r"new.replay is a range.*Add `search: {trials: 20}`"):
        definition_of(recipe_data(sweep={"new.replay": {"uniform": ["0%", "5%"]}}), WHERE)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"new.replay": {"uniform": ["0%", "100%"]}}, "new.replay 100%.*Give less than 100%"),
        ({"new.schedule.max_lr": {"log": ["1e-4", 3]}}, "max_lr 3.*highest rate is 1"),
        ({"new.steps": {"uniform": [10.5, 20]}}, "new.steps 10.5.*whole number"),
        ({"nww.steps": {"integers": [1, 2]}}, "no stage or field 'nww'. Did you mean 'new'"),
        ({"new.at_end": ["repeat", "never"]}, "new.at_end never.*Give"),
    ],
)
def test_both_ends_of_a_range_are_tried_in_the_recipe(grid: Any, message: str) -> None:
    data = searching(grid)
    with pytest.raises(InputError, match=message):
        check_space(data, parse_recipe(data, WHERE), WHERE)


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ("0%", "nothing of the stage is trained by then. Give a part"),
        ("0 steps", "nothing of the stage is trained by then. Give a part"),
        ("100%", r"no recipe waits: the stage new has \d+ steps. Give a part"),
        ("10000 steps", "no recipe waits.*Give a part of the stage, such as 10%"),
        ("1B tokens", "no recipe waits.*Give a part of the stage, such as 10%"),
    ],
)
def test_early_stopping_that_stops_nobody_is_refused(first: str, message: str) -> None:
    data = searching(early_stopping={"stage": "new", "first": first})
    with pytest.raises(InputError, match=message):
        check_space(data, parse_recipe(data, WHERE), WHERE)


def test_a_rung_has_to_lie_within_the_longest_stage_alone() -> None:
    stopping = {"stage": "new", "first": "100 steps"}
    data = searching({"new.steps": {"integers": [10, 200]}}, early_stopping=stopping)
    check_space(data, parse_recipe(data, WHERE), WHERE)

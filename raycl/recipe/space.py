"""The space of a search: which values each of its fields may have, and how they are written."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from raycl.errors import FieldError, InputError, within
from raycl.plan.early_stopping import rungs
from raycl.plan.frozen import thawed
from raycl.recipe.lengths import tokens_per_step, trained_steps
from raycl.recipe.load import parse_recipe, with_field
from raycl.recipe.rates import check_rates
from raycl.recipe.schema import Recipe
from raycl.recipe.schema.ranges import Range, is_range, range_of
from raycl.recipe.schema.search import GRID, EarlyStopping, Search
from raycl.recipe.search import LABEL
from raycl.units import format_number, parse_number

_DIGITS = 3
"""Digits that count in a proposed value. Labels stay short, and proposals can coincide."""

Fields = Mapping[str, Any]
"""Field to its value, as it is written in a recipe."""


@dataclass(frozen=True)
class Choices:
    """The values of a list, as they are written."""

    values: tuple[Any, ...]

    def place(self, value: Any) -> int | None:
        """The place of a value in the list; None where it is not there. 1 and True differ."""
        keys = [_key(each) for each in self.values]
        return keys.index(_key(value)) if _key(value) in keys else None


Axis = Range | Choices


@dataclass(frozen=True)
class Space:
    """All recipes that a search may propose."""

    axes: Mapping[str, Axis]
    """Field to its range or its values, in the order of the recipe file."""

    def fits(self, fields: Fields) -> bool:
        """Whether the fields are exactly those of the space, each with one of its values."""
        return fields.keys() == self.axes.keys() and all(
            has_value(axis, fields[field]) for field, axis in self.axes.items()
        )

    def key(self, fields: Fields) -> str:
        """A text that is equal for equal points; numbers are equal however they are written."""
        found = {field: _point_key(axis, fields[field]) for field, axis in self.axes.items()}
        return json.dumps(found)

    def combinations(self) -> Iterator[dict[str, Any]]:
        """Every point of a space of lists alone, in the order of a plain grid."""
        lists = [axis.values for axis in self.axes.values() if isinstance(axis, Choices)]
        if len(lists) < len(self.axes):
            raise ValueError("a range has no list of values")
        for values in itertools.product(*lists):
            yield dict(zip(self.axes, values, strict=True))

    def draw(self, generator: random.Random) -> dict[str, Any]:
        """A point at random: uniform, or uniform in the logarithm."""
        return {field: _draw(axis, generator) for field, axis in self.axes.items()}


def space_of(recipe: Recipe) -> Space:
    """The space of a recipe with a `search`: the one grid of its sweep."""
    (grid,) = recipe.sweep
    axes = {field: values for field, values in grid.items() if field != LABEL}
    return Space({f: range_of(v) if is_range(v) else _choices(v) for f, v in axes.items()})


def most_trials(search: Search, space: Space) -> int | None:
    """The most recipes that a search can propose; None where its budget alone ends it."""
    if search.sampler != GRID:
        return search.trials
    points = sum(1 for _ in space.combinations())
    return min(points, search.trials or points)


def _choices(values: Any) -> Choices:
    return Choices(tuple(thawed(value) for value in values))


def has_value(axis: Axis, value: Any) -> bool:
    """Whether a written value is one of the axis."""
    if isinstance(axis, Choices):
        return axis.place(value) is not None
    try:
        number = parse_number(value)
    except FieldError:
        return False
    return axis.low <= number <= axis.high and (axis.kind != "integers" or number.denominator == 1)


def written(axis: Range, value: float | Fraction) -> Any:
    """A value of a range as it is written: rounded, within the bounds, percentages as `12.5%`."""
    number = rounded(axis, value)
    if axis.percent:
        return f"{format_number(number * 100)}%"
    return int(number) if axis.kind == "integers" else float(number)


def parameter(axis: Axis, value: Any) -> float | int:
    """A written value as a number: the place of a choice, or the value of a range."""
    if isinstance(axis, Choices):
        place = axis.place(value)
        if place is None:
            raise ValueError(f"{value!r} is not in the list")
        return place
    number = parse_number(value)
    return int(number) if axis.kind == "integers" else float(number)


def value_at(axis: Axis, number: float) -> Any:
    """The value, as it is written, that `parameter` makes this number of; ranges are rounded."""
    return axis.values[int(number)] if isinstance(axis, Choices) else written(axis, number)


def rounded(axis: Range, value: float | Fraction) -> Fraction:
    """The value with three digits that count, within the bounds of its range.

    Values of a linear range are multiples of a hundredth to a thousandth of its width. Those of a
    logarithmic one have three significant digits, and more where the bounds are close together.
    """
    exact = min(max(Fraction(value), axis.low), axis.high)
    step = _step(axis.high - axis.low)
    if axis.kind == "log":
        step = min(step, _step(exact))
    if axis.kind == "integers":
        step = max(step, Fraction(1))
    return min(max(round(exact / step) * step, axis.low), axis.high)


def _step(number: Fraction) -> Fraction:
    return Fraction(10) ** (math.floor(math.log10(number)) + 1 - _DIGITS)


def _draw(axis: Axis, generator: random.Random) -> Any:
    if isinstance(axis, Choices):
        return generator.choice(axis.values)
    if axis.kind == "integers":
        return written(axis, generator.randint(int(axis.low), int(axis.high)))
    if axis.kind == "log":
        low, high = math.log(axis.low), math.log(axis.high)
        return written(axis, math.exp(generator.uniform(low, high)))
    return written(axis, generator.uniform(float(axis.low), float(axis.high)))


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _point_key(axis: Axis, value: Any) -> Any:
    return axis.place(value) if isinstance(axis, Choices) else str(parse_number(value))


def check_space(data: Mapping[str, Any], recipe: Recipe, where: str) -> None:
    """Raise InputError where a bound or a value of a search is none of its field.

    Each is tried alone, in the recipe as it is written. Early stopping has to let at least one of
    these recipes wait.
    """
    if recipe.search is None:
        return
    tried = [recipe]
    with within(f"{where}: sweep"):
        for place, changed in corners(data, recipe):
            check_rates((changed,), place)
            tried.append(changed)
    with within(where):
        _check_rungs(tried, recipe.search.early_stopping)


def _check_rungs(tried: Sequence[Recipe], stopping: EarlyStopping | None) -> None:
    if stopping is None:
        return
    where = f"search.early_stopping.first {stopping.first}"
    remedy = "Give a part of the stage, such as 10%"
    if not stopping.first.value:
        raise InputError(where, "nothing of the stage is trained by then", remedy)
    longest = max(_waiting(recipe, stopping) for recipe in tried)
    if longest[0] <= 0:
        problem = f"no recipe waits: the stage {stopping.stage} has {longest[1]:,} steps"
        raise InputError(where, problem, remedy)


def _waiting(recipe: Recipe, stopping: EarlyStopping) -> tuple[int, int]:
    """How many rungs the recipe has, and the steps of the stage in which they lie."""
    stage = next(stage for stage in recipe.stages if stage.name == stopping.stage)
    steps = trained_steps(recipe, stage)
    first = float(stopping.first.steps(steps, tokens_per_step(recipe)))
    return len(rungs(0, steps, first, stopping.factor)), steps


def corners(data: Mapping[str, Any], recipe: Recipe) -> Iterator[tuple[str, Recipe]]:
    """The recipe with each bound and each value of its search alone, and which one it is.

    Raises InputError where one is none of its field.
    """
    plain = {**data, "sweep": [], "search": None, "baselines": []}
    for field, axis in space_of(recipe).axes.items():
        for value in _tried(axis):
            place = f"{field} {value}"
            yield place, parse_recipe(with_field(plain, field, value, place), place)


def _tried(axis: Axis) -> Iterator[Any]:
    if isinstance(axis, Choices):
        yield from axis.values
    else:
        yield from (written(axis, axis.low), written(axis, axis.high))

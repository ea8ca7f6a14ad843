"""A range of a field's values in the grid of a search: `{log: [1e-4, 3e-3]}`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, cast

from raycl.errors import FieldError, shown
from raycl.units import parse_number

Kind = Literal["log", "uniform", "integers"]
KINDS: tuple[Kind, ...] = ("log", "uniform", "integers")

_EXAMPLE = "Write {log: [1e-4, 3e-3]}, {uniform: [0%, 50%]} or {integers: [100, 400]}"

_SMALLEST = Fraction(1, 10**300)
"""A smaller number is a slip of the pen; below 5e-324 no float is above 0."""

_BOUNDS = {"type": "array", "items": {"type": ["number", "string"]}, "minItems": 2, "maxItems": 2}
AXIS_SCHEMA = {
    "anyOf": [
        {"type": "array", "items": {}},
        {"type": "string"},
        *(
            {
                "type": "object",
                "properties": {kind: _BOUNDS},
                "required": [kind],
                "additionalProperties": False,
            }
            for kind in KINDS
        ),
    ]
}
"""JSON schema of what a grid has for a field, or as its label."""


@dataclass(frozen=True)
class Range:
    """All values between two bounds, which belong to it."""

    kind: Kind
    """`uniform` between the bounds, `log`: uniform in the logarithm, `integers`: whole numbers."""
    low: Fraction
    high: Fraction
    percent: bool
    """Whether its values are written as percentages, as its bounds are."""


def is_range(values: Any) -> bool:
    """Whether an entry of a grid is a range, and no list of values."""
    return isinstance(values, Mapping)


def range_of(written: Mapping[str, Any]) -> Range:
    """The range that is written as one kind and its two bounds. Raises FieldError."""
    if len(written) != 1 or next(iter(written)) not in KINDS:
        raise FieldError(f"{shown(dict(written))} is neither a list nor a range", _EXAMPLE)
    kind, bounds = next(iter(written.items()))
    if not isinstance(bounds, list | tuple) or len(bounds) != 2:
        raise FieldError(f"{kind} has {shown(bounds)} where two bounds stand", _EXAMPLE)
    low, high = (parse_number(bound) for bound in bounds)
    if low == high:
        remedy = "Give two bounds that differ, or the value in a list: [1e-3]"
        raise FieldError(f"the bounds {shown(list(bounds))} are equal", remedy)
    if low > high:
        raise FieldError(f"the bounds {shown(list(bounds))} are not in order", "Exchange them")
    if any(0 < abs(number) < _SMALLEST for number in (low, high, high - low)):
        problem = f"the bounds {shown(list(bounds))} are too close to 0, or to each other"
        raise FieldError(problem, "Give numbers above 1e-300, as floats can tell them apart")
    if kind == "log" and low <= 0:
        raise FieldError(
            f"a logarithm has no bound {bounds[0]}", "Begin above 0, or give {uniform: […]}"
        )
    percent = all(str(bound).strip().endswith("%") for bound in bounds)
    if kind == "integers" and (percent or low.denominator != 1 or high.denominator != 1):
        raise FieldError(f"{shown(list(bounds))} are no whole numbers", "Give {uniform: […]}")
    return Range(cast(Kind, kind), low, high, percent)

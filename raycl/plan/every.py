"""How often something is done while a node trains: every so many steps, or after some time."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from raycl.errors import FieldError, shown
from raycl.units import format_span, is_duration, parse_span, parse_whole

_MINUTES_OR_MILLIONS = "m"


def parse_every(value: Any) -> int | timedelta:
    """`400`, `1k` or `400 steps` as a number of steps, `10 minutes` as a time; FieldError else."""
    if isinstance(value, timedelta):
        return parse_span(value)
    text = str(value).strip()
    if isinstance(value, str) and is_duration(text):
        if text[-1].lower() == _MINUTES_OR_MILLIONS:
            number = text[:-1].strip()
            raise FieldError(
                f"{shown(value)} may mean minutes or millions of steps",
                f"Write '{number} minutes' or '{number}000000 steps'",
            )
        return parse_span(text)
    for unit in ("steps", "step"):
        text = text.removesuffix(unit)
    try:
        steps = parse_whole(value if text == str(value).strip() else text.strip())
    except ValueError as error:
        raise FieldError(
            f"{shown(value)} is neither a number of steps nor a time",
            "Write for example 400, or 10 minutes",
        ) from error
    if steps == 0:
        raise FieldError("0 steps are not above zero", "Write for example 400, or 10 minutes")
    return steps


def format_every(value: int | timedelta) -> int | str:
    """What `parse_every` reads back."""
    return value if isinstance(value, int) else format_span(value)


Every = Annotated[
    int | timedelta,
    BeforeValidator(parse_every),
    PlainSerializer(format_every),
    WithJsonSchema({"type": ["number", "string"], "examples": ["10 minutes", 400]}),
]
"""A number of steps, or a time."""


def usual_steps(every: int | timedelta | None, steps: int, seconds_per_step: float) -> float:
    """Steps between two states of a node of so many steps, where a step takes so long."""
    if every is None:
        return steps
    if isinstance(every, int):
        return every
    return min(steps, max(1.0, every.total_seconds() / seconds_per_step))


def most_times(every: int | timedelta | None, start: int, stop: int) -> int:
    """How often it is done at most after the steps after `start` and before `stop`.

    How long a step takes is not known here, so with a time it may be every one of them.
    """
    if every is None:
        return 0
    if isinstance(every, timedelta):
        return max(0, stop - start - 1)
    return (stop - 1) // every - start // every

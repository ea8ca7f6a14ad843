"""The weights of corpora in the loss of a stage."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from raycl.errors import FieldError, shown
from raycl.units import format_number, parse_number

_LARGEST = 1000


def _loss_weight(value: Any) -> Fraction:
    weight = parse_number(value)
    if not 0 <= weight <= _LARGEST:
        raise FieldError(
            f"{shown(value)} is not a weight in the loss", f"Write a number from 0 to {_LARGEST}"
        )
    return weight


LossWeight = Annotated[
    Fraction,
    BeforeValidator(_loss_weight),
    PlainSerializer(format_number),
    WithJsonSchema({"type": ["number", "string"], "examples": [0.5]}),
]

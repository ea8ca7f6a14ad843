"""The share of old data in a stage, and the number of its epochs: one, or one for each corpus."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from raycl.errors import FieldError, shown
from raycl.recipe.schema.common import FrozenMapping
from raycl.units import format_number, parse_number, parse_share

_MOST_EPOCHS = 10**6


def _replay(value: Any) -> Fraction | dict[str, Fraction]:
    """One share of old data for the stage, or a share for each corpus that is named."""
    if not isinstance(value, Mapping):
        share = parse_share(value)
        if share == 1:
            raise FieldError("a stage with only old data has nothing new", "Give less than 100%")
        return share
    shares = {str(corpus): parse_share(share) for corpus, share in value.items()}
    if not shares or any(share == 0 for share in shares.values()):
        raise FieldError("a corpus with no share", "Leave it out, or give replay: 0%")
    if sum(shares.values()) >= 1:
        raise FieldError("the shares leave no new data", "Make them sum to less than 100%")
    return shares


def _written(value: Fraction | Mapping[str, Fraction]) -> Any:
    if isinstance(value, Fraction):
        return format_number(value)
    return {corpus: format_number(share) for corpus, share in value.items()}


Replay = Annotated[
    Fraction | FrozenMapping[Fraction],
    BeforeValidator(_replay),
    PlainSerializer(_written),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": ["number", "string"], "examples": ["5%"]},
                {"type": "object", "additionalProperties": {"type": ["number", "string"]}},
            ]
        }
    ),
]


def _epochs(value: Any) -> Fraction | dict[str, Fraction]:
    """A number of epochs for every corpus of the mixture, or one for each that is named."""
    numbers = value.values() if isinstance(value, Mapping) else [value]
    found = [parse_number(number) for number in numbers]
    if not found or not all(0 < number <= _MOST_EPOCHS for number in found):
        raise FieldError(
            f"{shown(value)} is not a number of epochs", f"Give one above 0, up to {_MOST_EPOCHS:,}"
        )
    return (
        dict(zip(map(str, value), found, strict=True)) if isinstance(value, Mapping) else found[0]
    )


MaxEpochs = Annotated[
    Fraction | FrozenMapping[Fraction],
    BeforeValidator(_epochs),
    PlainSerializer(_written),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": ["number", "string"], "examples": [4]},
                {"type": "object", "additionalProperties": {"type": ["number", "string"]}},
            ]
        }
    ),
]

"""Computes the value of a recipe's field at another scale; the field's name says how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from raycl.plan.schedule import PARENT, PRESETS
from raycl.recipe.schema.mixture import is_changing
from raycl.units import Length, format_number, parse_length, parse_number

# A field's last word tells what kind of value it has, in whatever part of a recipe it stands.
_RATES = ("max_lr", "min_lr", "constant_lr", "start_lr")
_LENGTHS = ("warmup", "decay", "cooldown", "anneal", "at", "length", "stop_after")
_SHARES = ("mixture", "replay")
_ENDS = ("from", "to")
"""The two mixtures of one that changes."""


@dataclass(frozen=True)
class Factors:
    """The factors of a scale for counts and rates, and the new names of corpora."""

    steps: Fraction
    tokens: Fraction
    tokens_per_step: int
    """Tokens of one step at the new scale. A stage cannot have fewer."""
    learning_rate: Fraction
    corpora: Mapping[str, str]


def scaled_field(field: str, value: Any, factors: Factors) -> Any:
    """The value that a field has at the new scale; the field is named without its stage.

    The value comes from a valid recipe. Counts, lengths, rates and shares by corpus change, also
    inside lists and mappings; every other value stays.
    """
    if value is None:
        return None
    if field == "schedule" and isinstance(value, str) and value in PRESETS:
        value = PRESETS[value]  # the preset's rates are written out, since the scale changes them
    if field == "workers":
        return 1
    if isinstance(value, Mapping) and (
        field in _ENDS or (field in _SHARES and not is_changing(value))
    ):
        return _merged(value, factors.corpora)
    if isinstance(value, Mapping):
        return {name: scaled_field(name, inner, factors) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [scaled_field(field, inner, factors) for inner in value]
    if field in _RATES:
        return _rate(value, factors.learning_rate)
    if field in _LENGTHS:
        return _length(parse_length(value), factors)
    if field == "steps":
        return max(1, round(parse_number(value) * factors.steps))
    if field == "tokens":
        return max(factors.tokens_per_step, round(parse_number(value) * factors.tokens))
    return value


def _rate(value: Any, factor: Fraction) -> Any:
    """The rate times `factor`. `parent` and a percentage are ratios to another rate: they stay."""
    if value == PARENT or str(value).strip().endswith("%"):
        return value
    return float(parse_number(value) * factor)


def _length(length: Length, factors: Factors) -> str:
    if length.unit == "fraction":
        return str(length)
    factor = factors.steps if length.unit == "steps" else factors.tokens
    return str(Length(length.value * factor, length.unit))


def _merged(shares: Mapping[str, Any], corpora: Mapping[str, str]) -> dict[str, str]:
    """Shares by the corpora's new names. Where corpora have the same one, shares add up exactly."""
    merged: dict[str, Fraction] = {}
    for corpus, share in shares.items():
        name = corpora.get(corpus, corpus)
        merged[name] = merged.get(name, Fraction(0)) + parse_number(share)
    return {name: format_number(share) for name, share in merged.items()}
